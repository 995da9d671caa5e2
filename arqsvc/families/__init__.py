"""The families of jobs: the one registration, those of other packages, and the ways to load them."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from arqsvc.errors import CannotStart
from arqsvc.jobs.declare import Job, Params
from arqsvc.settings import EnvironmentSettings

FAMILIES = ("genomes",)

CHILD_MODULES = ("arqsvc.families.genomes.analysis",)
"""Modules that child processes have loaded before their first call."""


def load_params(others: Sequence[str] = ()) -> dict[str, type[Params]]:
    """Return the Params of every kind, by kind; imports no science of ours.

    Args:
        others: packages that are families too, as `ARQSVC_FAMILIES` names them.

    Raises:
        CannotStart: one of them is no family, or declares a kind that another has; names it.
    """
    found: dict[str, type[Params]] = {}
    for package in _packages(others):
        for kind, params in params_of(package).items():
            if found.setdefault(kind, params) is not params:
                raise CannotStart(
                    f"The family {package} declares the kind {kind}, and {found[kind].__module__} does too. "
                    f"Give it another name, such as {package}.{kind.rpartition('.')[2]}."
                )
    return found


def load_jobs(others: Sequence[str] = ()) -> dict[str, Job[Any, Any]]:
    """Return every kind with the coroutine that does it, by kind.

    Raises:
        CannotStart: as `load_params`, or a kind has no coroutine.
    """
    found = {kind: job for package in _packages(others) for kind, job in jobs_of(package).items()}
    if missing := sorted(load_params(others).keys() - found.keys()):
        raise CannotStart(f"No coroutine does {', '.join(missing)}. Write it into jobs.py of its family, under @job.")
    return found


def load_settings(environ: Mapping[str, str], others: Sequence[str] = ()) -> dict[type[BaseModel], BaseModel]:
    """Return the settings of every family that has some, by their class.

    Raises:
        CannotStart: a value is wrong; names each. Or as `load_params`.
    """
    return {kind: kind.read(environ) for package in _packages(others) for kind in settings_of(package)}


def child_modules(others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the modules that child processes have loaded before their first call: ours, and `compute` of others."""
    return (*CHILD_MODULES, *(f"{package}.compute" for package in others if find_spec(f"{package}.compute")))


def params_of(package: str) -> dict[str, type[Params]]:
    """Return the Params that a family declares, by kind."""
    declared = _kinds_of(_module(package, "params"), Params)
    return {params.kind: params for params in declared if params.kind}


def jobs_of(package: str) -> dict[str, Job[Any, Any]]:
    """Return the jobs of a family, by kind."""
    return {job.params.kind: job for job in vars(_module(package, "jobs")).values() if isinstance(job, Job)}


def settings_of(package: str) -> list[type[EnvironmentSettings]]:
    """Return the classes of a family's settings; it need not have any."""
    if not find_spec(f"{package}.settings"):
        return []
    declared = _kinds_of(import_module(f"{package}.settings"), EnvironmentSettings)
    return [kind for kind in declared if kind is not EnvironmentSettings]


def _packages(others: Sequence[str]) -> Iterator[str]:
    """Yield the packages of all families; of another's, jobs.py is looked for and not loaded: a sender needs none."""
    yield from (f"arqsvc.families.{family}" for family in FAMILIES)
    for package in others:
        _module(package, "params")
        if not find_spec(f"{package}.jobs"):
            raise CannotStart(f"The family {package} of ARQSVC_FAMILIES has no jobs.py. Write it: a coroutine a kind.")
        yield package


def _module(package: str, name: str) -> ModuleType:
    """Return a module that each family has."""
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name == package.partition(".")[0]:
            hint = "Install it, or put the folder that holds it into PYTHONPATH."
        elif error.name == f"{package}.{name}":
            hint = f"A family is a package with params.py and jobs.py; write {name}.py."
        else:
            hint = "Install what it imports."
        raise CannotStart(f"The family {package} of ARQSVC_FAMILIES cannot be loaded: {error}. {hint}") from error


def _kinds_of(module: ModuleType, base: type[Any]) -> list[type[Any]]:
    return [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base)]
