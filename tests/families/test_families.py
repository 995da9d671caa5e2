"""Families of other packages: named in a setting, loaded like ours, refused in one line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arqsvc.errors import CannotStart
from arqsvc.families import CHILD_MODULES, child_modules, load_jobs, load_params, load_settings
from arqsvc.settings import Settings
from tests.cli.program import Program

PARAMS = """
from arqsvc.jobs.declare import Params, Result

class Done(Result):
    text: str

class Do(Params, kind="{kind}", result=Done):
    text: str
"""
JOBS = """
from {name}.params import Do, Done
from arqsvc.jobs.declare import job

@job(Do)
async def do(ctx, params):
    return Done(text=params.text)
"""
SETTINGS = """
from arqsvc.settings import EnvironmentSettings

class Ours(EnvironmentSettings):
    ours_url: str = "http://localhost"
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that can be imported, and are forgotten afterwards."""
    before = set(sys.modules)
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def family(folder: Path, name: str, **modules: str) -> None:
    (folder / name).mkdir()
    for module, text in {"__init__": "", **modules}.items():
        (folder / name / f"{module}.py").write_text(text.replace("{name}", name))


def test_a_package_that_is_named_is_a_family(packages: Path) -> None:
    family(packages, "theirs", params=PARAMS.replace("{kind}", "theirs.do"), jobs=JOBS, settings=SETTINGS, compute="")
    others = Settings.read({"ARQSVC_FAMILIES": "theirs,"}).other_families
    assert load_params(others).keys() - load_params() == {"theirs.do"}
    assert load_jobs(others).keys() == load_params(others).keys()
    (settings,) = (
        found
        for kind, found in load_settings({"ARQSVC_OURS_URL": "x"}, others).items()
        if kind.__module__ == "theirs.settings"
    )
    assert settings.model_dump() == {"ours_url": "x"}
    assert child_modules(others) == (*CHILD_MODULES, "theirs.compute")


def test_a_family_need_not_compute(packages: Path) -> None:
    family(packages, "small", params=PARAMS.replace("{kind}", "small.do"), jobs=JOBS)
    assert child_modules(["small"]) == CHILD_MODULES


def test_what_is_no_family_is_named_with_what_to_do(packages: Path) -> None:
    family(packages, "empty")
    family(packages, "idle", params=PARAMS.replace("{kind}", "idle.do"))
    family(packages, "lacking", params="import no_such_thing")
    family(packages, "copied", params=PARAMS.replace("{kind}", "genomes.analyze"), jobs=JOBS)
    family(packages, "undone", params=PARAMS.replace("{kind}", "undone.do"), jobs="")
    said = {
        "absent": "The family absent of ARQSVC_FAMILIES cannot be loaded: No module named 'absent'. Install it, or put",
        "empty": "No module named 'empty.params'. A family is a package with params.py and jobs.py; write params.py.",
        "idle": "The family idle of ARQSVC_FAMILIES has no jobs.py. Write it",
        "lacking": "No module named 'no_such_thing'. Install what it imports.",
        "copied": "The family copied declares the kind genomes.analyze, and arqsvc.families.genomes.params does too. "
        "Give it another name, such as copied.analyze.",
    }
    for name, sentence in said.items():
        with pytest.raises(CannotStart) as error:
            load_params([name])
        assert sentence in error.value.detail
    with pytest.raises(CannotStart, match=r"No coroutine does undone\.do\."):
        load_jobs(["undone"])


@pytest.mark.parametrize("command", [["up", "--port", "0"], ["worker"], ["api"]], ids=" ".join)
async def test_a_wrong_name_stops_the_start_in_one_line(program: Program, command: list[str]) -> None:
    code, out, err = await program.run(*command, ARQSVC_FAMILIES="no_such_family")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("arqsvc: The family no_such_family of ARQSVC_FAMILIES cannot be loaded")


def test_a_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(CannotStart, match="ARQSVC_FAMILIES='my lab'"):
        Settings.read({"ARQSVC_FAMILIES": "my lab"})
