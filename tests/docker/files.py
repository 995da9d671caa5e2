"""What the Dockerfile and the compose file say, as values."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from tests.servers import ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
ENV_EXAMPLE = ROOT / ".env.example"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
"""A variable of the compose file: name, `-` before a default or `?` before a complaint, and that."""
PASSWORDS = {"POSTGRES_PASSWORD": "c0ffee" * 8, "VALKEY_PASSWORD": "decade" * 8}
"""What a person fills in."""


@dataclass(frozen=True)
class Stage:
    """One stage of the Dockerfile, with what it has from the stages below."""

    runs: tuple[str, ...] = ()
    """The commands of its own RUN lines."""
    copies: tuple[str, ...] = ()
    """The sources of its own COPY lines, in the context or, after `--from`, in another stage."""
    env: dict[str, str] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    """ENTRYPOINT, CMD and the CMD of HEALTHCHECK, in exec form."""
    said: dict[str, str] = field(default_factory=dict)
    """USER, STOPSIGNAL and the like."""


def stages() -> dict[str, Stage]:
    """Return the stages by name, in their order."""
    found: dict[str, Stage] = {}
    name = ""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        verb, rest = line.split(maxsplit=1)
        if verb == "FROM":
            below, _, name = rest.split()
            found[name] = replace(found.get(below, Stage()), runs=(), copies=())
        elif name:
            found[name] = _with(found[name], verb, rest)
    return found


def _with(stage: Stage, verb: str, rest: str) -> Stage:
    if verb == "RUN":
        return replace(stage, runs=(*stage.runs, rest))
    if verb == "COPY":
        sources = rest.split()[:-1]
        return replace(stage, copies=stage.copies if sources[0].startswith("--from") else (*stage.copies, *sources))
    if verb == "ENV":
        return replace(stage, env={**stage.env, **dict(pair.split("=", 1) for pair in shlex.split(rest))})
    if verb in {"ENTRYPOINT", "CMD"}:
        return replace(stage, words={**stage.words, verb: json.loads(rest)})
    if verb == "HEALTHCHECK":
        return replace(stage, words={**stage.words, verb: json.loads(rest.partition("CMD")[2])})
    return replace(stage, said={**stage.said, verb: rest})


def env_example() -> dict[str, str]:
    """Return the variables of `.env.example`."""
    lines = [line for line in ENV_EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def compose(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the compose file, its variables filled in as compose does.

    Raises:
        LookupError: one that must be set is not.
    """

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if given := environ.get(name):
            return given
        if how == "?":
            raise LookupError(name)
        return str(rest)

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(child) for key, child in node.items()}
        if isinstance(node, list):
            return [filled(child) for child in node]
        return VARIABLE.sub(value, node) if isinstance(node, str) else node

    content: dict[str, Any] = filled(yaml.safe_load(COMPOSE.read_text()))
    return content
