"""The promises of the house that can be tested: floors, doors, one job a kind, a docstring a setting and kind."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import arqsvc
from arqsvc.families import FAMILIES, load_jobs, load_params, load_settings
from arqsvc.settings import PREFIX, Settings

PACKAGE = Path(arqsvc.__file__).parent
FLOORS = (
    {"__init__", "settings", "errors", "logs", "bio", "contract", "webhooks"},
    {"infra"},
    {"jobs"},
    {"families"},
    {"api", "worker", "web", "testing"},
    {"cli", "__main__"},
)
ARQ = {"infra/redis.py", "jobs/queue.py", "worker/worker.py"}
HAND_ON = {"infra/forkserver.py", "infra/guard.py"}
"""Scripts that hand their environment on to what they start."""
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
MODULES = [path.relative_to(PACKAGE).as_posix() for path in SOURCES]


def floor(room: str) -> int:
    """Return the number of the floor that a top-level name stands on."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports(module: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it, but for those that only type checkers see."""
    tree = ast.parse((PACKAGE / module).read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(module: str) -> Iterator[list[str]]:
    """Yield the parts, below the package, of what a module imports of ours."""
    for name in imports(module):
        if name.split(".")[0] == "arqsvc":
            yield name.split(".")[1:] or ["__init__"]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    room = module.split("/")[0].removesuffix(".py")
    for parts in ours(module):
        target = "__init__" if parts[0] == "__version__" else parts[0]
        if room == "client":
            may = target in {"client", "errors", "contract"} or parts[:2] == ["jobs", "declare"]
            assert may, f"the client imports {'.'.join(parts)}"
        elif target == "client":
            assert room == "cli"
        else:
            assert floor(target) <= floor(room), f"{module} imports {'.'.join(parts)}"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("families/")])
def test_a_family_reaches_another_by_its_params_alone(module: str) -> None:
    family = module.split("/")[1]
    for parts in ours(module):
        if parts[0] == "families" and family in FAMILIES and parts[1] != family:
            assert parts[1] in FAMILIES
            assert parts[2] == "params"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("families/")])
def test_what_runs_in_a_child_knows_no_job_and_what_a_sender_needs_knows_no_science(module: str) -> None:
    name = module.split("/")[2].removesuffix(".py") if module.count("/") > 1 else ""
    used = {".".join(parts[:2]) for parts in ours(module) if parts[0] != "families"}
    if name == "params":
        assert used <= {"jobs.declare", "bio.accession"}
        assert {found.split(".")[0] for found in imports(module)} <= {"arqsvc", "datetime", "pydantic", "typing"}
    elif name in {"compute", "figures", "report", "analysis"}:
        assert {use.split(".")[0] for use in used} <= {"bio", "errors", "__version__"}


def test_arq_stays_behind_its_doors() -> None:
    users = {module for module in MODULES if any(name.split(".")[0] == "arq" for name in imports(module))}
    assert users <= ARQ


def test_the_environment_is_read_at_the_top_of_a_command_alone() -> None:
    readers = {module for module in MODULES if "os.environ" in (PACKAGE / module).read_text()}
    assert {module.split("/")[0] for module in readers - HAND_ON} <= {"cli", "client"}


def test_jobs_imports_nothing() -> None:
    assert list(imports("jobs/__init__.py")) == []


def test_there_is_one_job_a_kind_and_each_says_what_it_does() -> None:
    params, jobs = load_params(), load_jobs()
    assert set(params) == set(jobs)
    assert all(jobs[kind].params is params[kind] for kind in params)
    assert max(Counter(kind.kind for kind in params.values()).values()) == 1
    for kind, declared in params.items():
        assert declared.__doc__, kind
        assert kind.split(".")[0] in FAMILIES
        for model in (declared, declared.result):
            assert all(field.description for field in model.model_fields.values()), model


def settings_table() -> Iterator[str]:
    """Yield the rows of the README's table of settings; a default that depends on the machine is in the words."""
    classes: list[type[BaseModel]] = [Settings, *load_settings({})]
    for name, field in [each for settings in classes for each in settings.model_fields.items()]:
        fixed = field.default is not None and not field.is_required() and "Default:" not in (field.description or "")
        yield f"| `{PREFIX}{name.upper()}` | {field.default if fixed else ''} | {field.description} |"


def test_every_setting_is_described_here_and_in_the_readme() -> None:
    table = list(settings_table())
    assert not [row for row in table if row.endswith("| None |")]
    readme = (PACKAGE.parent / "README.md").read_text().splitlines()
    assert [row for row in readme if row.startswith(f"| `{PREFIX}")] == table


@pytest.mark.parametrize("path", SOURCES, ids=MODULES)
def test_a_module_is_of_a_size_to_read(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the first line says what it is"
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} does not fit a screen"
