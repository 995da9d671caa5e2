"""The families of jobs: the one registration, and the ways to load it."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel

from arqsvc.jobs.declare import Job, Params
from arqsvc.settings import EnvironmentSettings

FAMILIES = ("genomes",)

CHILD_MODULES = ("arqsvc.families.genomes.analysis",)
"""Modules that child processes have loaded before their first call."""


def load_params() -> dict[str, type[Params]]:
    """Return the Params of every kind, by kind; imports no science."""
    found: dict[str, type[Params]] = {}
    for family in FAMILIES:
        module = import_module(f"arqsvc.families.{family}.params")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Params) and value.kind:
                found[value.kind] = value
    return found


def load_jobs() -> dict[str, Job[Any, Any]]:
    """Return every kind with the coroutine that does it, by kind."""
    found: dict[str, Job[Any, Any]] = {}
    for family in FAMILIES:
        module = import_module(f"arqsvc.families.{family}.jobs")
        for value in vars(module).values():
            if isinstance(value, Job):
                found[value.params.kind] = value
    return found


def load_settings(environ: Mapping[str, str]) -> dict[type[BaseModel], BaseModel]:
    """Return the settings of every family that has some, by their class.

    Raises:
        CannotStart: a value is wrong; names each.
    """
    found: dict[type[BaseModel], BaseModel] = {}
    for family in FAMILIES:
        name = f"arqsvc.families.{family}.settings"
        for value in vars(import_module(name)).values() if find_spec(name) else ():
            if isinstance(value, type) and issubclass(value, EnvironmentSettings) and value is not EnvironmentSettings:
                found[value] = value.read(environ)
    return found
