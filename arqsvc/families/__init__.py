"""The families of jobs: the one registration, and the two ways to load it."""

from importlib import import_module
from typing import Any

from arqsvc.jobs.declare import Job, Params

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
