"""Which jobs are meant: the one grammar of filters that lists, counts, streams and bulk actions share."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from arqsvc.errors import InvalidParams
from arqsvc.jobs.record import State

TAG = "tag."
"""How the name of a query parameter begins that filters by a tag."""
BEGINNING = r"^[A-Za-z0-9_.-]{0,100}\*$"
"""A name of a kind or a queue that stands for all that begin so."""
_X4, _X04 = "[0-9a-fA-F]{4}", "[0-9a-fA-F]{0,4}"
ID = f"^01[0-9a-fA-F]{{6}}(-({_X04}|{_X4}-({_X04}|{_X4}-({_X04}|{_X4}-[0-9a-fA-F]{{0,12}}))))?$"
"""The beginning of an id as jobs have them, at least 8 characters."""
CLOCKS = timedelta(hours=1)
"""By how much the clocks of those who make ids, and of the database, may differ."""

_TIME = re.compile(r"(19|2\d)\d\d-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_LOWEST, _HIGHEST = "0" * 32, "f" * 32


def _listed(value: Any) -> Any:
    """Return the parts of a text that commas separate; anything else as it is."""
    return value.split(",") if isinstance(value, str) else value


def _states(value: Any) -> Any:
    for word in (value := _listed(value)) if isinstance(value, (str, list, tuple)) else ():
        if word not in list(State):
            raise ValueError(f"{str(word)[:40]!r} is not a state; states: {', '.join(State)}")
    return value


def _time(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise ValueError("a time looks like 2026-11-27T08:30:00Z (RFC 3339, with its zone; a + in a URL is written %2B)")


_Text = Annotated[str, Field(min_length=1, max_length=255)]
_Time = Annotated[AwareDatetime, BeforeValidator(_time)]
_Name = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]{1,100}\*?|\*)$")]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a filter must know of a job to decide without asking the database."""

    id: UUID
    kind: str
    queue: str
    state: State
    created_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: UUID | None = None
    submitted_by: str | None = None


class Filter(BaseModel):
    """Jobs that fit all of what is given; all jobs where nothing is.

    In a query: `state=failed,cancelled&kind=genomes.*&tag.sample=S1`. In a JSON body: `{"state": ["failed",
    "cancelled"], "kind": "genomes.*", "tags": {"sample": "S1"}}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    state: Annotated[tuple[State, ...] | None, BeforeValidator(_states)] = Field(default=None, min_length=1)
    """One of these states; in a query, separated by commas."""
    kind: Annotated[tuple[_Name, ...] | None, BeforeValidator(_listed)] = Field(
        default=None, min_length=1, max_length=50
    )
    """One of these kinds; a `*` at the end stands for any text, as in `genomes.*`. In a query, separated by commas."""
    queue: Annotated[tuple[_Name, ...] | None, BeforeValidator(_listed)] = Field(
        default=None, min_length=1, max_length=50
    )
    """In one of these queues, written as kinds are."""
    tags: Mapping[_Text, Annotated[str, Field(max_length=255)]] | None = Field(
        default=None, min_length=1, max_length=20
    )
    """With all of these tags; in a query, `tag.k=v` for each."""
    created_after: _Time | None = None
    """Created at this time or later."""
    created_before: _Time | None = None
    """Created before this time."""
    parent: UUID | None = None
    """Which do this job again."""
    submitted_by: _Text | None = None
    """Asked for by the key of this name."""
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Any text. One that looks like a job's id, or the first 8 characters or more of one, means the jobs whose ids
    begin so. Any other is looked for, whatever its case, in the parameters (names and values, as JSON text), the values
    of the tags, and the error's detail."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return what a query may hold: the names of the parameters."""
        return tuple(f"{TAG}NAME" if name == "tags" else name for name in cls.model_fields)

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Return the filter that the parameters of a query make.

        Raises:
            InvalidParams: a name that there is not, or a value that does not fit; names what there is.
        """
        given: dict[str, Any] = {}
        for name, value in query.items():
            if name.startswith(TAG):
                given.setdefault("tags", {})[name.removeprefix(TAG)] = value
            elif name in cls.model_fields and name != "tags":
                given[name] = value
            else:
                detail = f"{name[:60]!r} is no filter; there are {', '.join(cls.names())}"
                raise InvalidParams(f"{detail}.", errors=[{"pointer": f"/{name[:60]}", "detail": detail}])
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise _faults(error) from error

    @property
    def live(self) -> bool:
        """Whether `matches` decides as `where` does: not where it asks for a text inside of a job."""
        return self.q is None or _is_id(self.q)

    @property
    def rough(self) -> Self:
        """The same filter without a text that is looked for inside of jobs."""
        return self if self.live else self.model_copy(update={"q": None})

    def matches(self, job: Facts) -> bool:
        """Whether a job fits, as far as facts tell: a text inside of it (see `live`) is not looked for."""
        return (
            (self.state is None or job.state in self.state)
            and (self.kind is None or any(_fits(kind, job.kind) for kind in self.kind))
            and (self.queue is None or any(_fits(queue, job.queue) for queue in self.queue))
            and (self.tags is None or all(job.tags.get(key) == value for key, value in self.tags.items()))
            and (self.created_after is None or job.created_at >= self.created_after)
            and (self.created_before is None or job.created_at < self.created_before)
            and (self.parent is None or job.parent == self.parent)
            and (self.submitted_by is None or job.submitted_by == self.submitted_by)
            and (self.q is None or not _is_id(self.q) or str(job.id).startswith(self.q.lower()))
        )

    def where(self, first: int = 1) -> tuple[str, list[Any]]:
        """Return a condition on a row of the table `job`, and its values, which it calls `$first` and so on.

        What the caller gives are values, never text of the statement. The words of states are our own and stand in it,
        because PostgreSQL uses an index of one state only where it reads that state.
        """
        conditions: list[str] = []
        values: list[Any] = []

        def fits(condition: str, *given: Any) -> None:
            numbers = (f"${first + len(values) + index}" for index in range(len(given)))
            conditions.append(condition.format(*numbers))
            values.extend(given)

        if self.state is not None:
            fits("(" + " OR ".join(f"state = '{state.value}'" for state in dict.fromkeys(self.state)) + ")")
        for column, names in (("kind", self.kind), ("queue", self.queue)):
            if names is not None:
                _named(column, names, fits)
        if self.tags is not None:
            fits("tags @> {}::text::jsonb", json.dumps(dict(self.tags)))
        if self.created_after is not None:  # ids are made in the order of time, and there is an index of them
            fits("created_at >= {} AND id >= {}", self.created_after, _id_at(self.created_after - CLOCKS))
        if self.created_before is not None:
            fits("created_at < {} AND id < {}", self.created_before, _id_at(self.created_before + CLOCKS))
        if self.parent is not None:
            fits("parent_id = {}", self.parent)
        if self.submitted_by is not None:
            fits("submitted_by = {}", self.submitted_by)
        if self.q is not None:
            _search(self.q, fits)
        return " AND ".join(conditions) or "TRUE", values


def _named(column: str, names: Sequence[str], fits: Any) -> None:
    whole, begun = [name for name in names if name[-1] != "*"], [name[:-1] for name in names if name[-1] == "*"]
    if not begun:
        fits(f"{column} = ANY({{}}::text[])", whole)
    else:
        patterns = [f"{_like(beginning)}%" for beginning in begun]
        fits(f"({column} = ANY({{}}::text[]) OR {column} LIKE ANY({{}}::text[]))", whole, patterns)


def _search(text: str, fits: Any) -> None:
    if _is_id(text):
        digits = text.lower().replace("-", "")
        fits("id BETWEEN {} AND {}", *(UUID(digits + rest[len(digits) :]) for rest in (_LOWEST, _HIGHEST)))
        return
    inside, plain = f"%{_like(json.dumps(text, ensure_ascii=False)[1:-1])}%", f"%{_like(text)}%"
    fits(
        "(params::text ILIKE {} OR error->>'detail' ILIKE {} OR EXISTS (SELECT FROM jsonb_each_text(tags) tag"
        " WHERE tag.value ILIKE {}))",
        inside, plain, plain,
    )  # fmt: skip


def _is_id(text: str) -> bool:
    return re.fullmatch(ID, text) is not None


def _id_at(time: datetime) -> UUID:
    """Return the lowest id that is made at this time (RFC 9562, version 7: it begins with milliseconds since 1970)."""
    milliseconds = min(max(0, int(time.timestamp() * 1000)), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern[-1] == "*" else name == pattern


def _like(text: str) -> str:
    """Return a pattern of LIKE that fits this text alone."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _faults(error: ValidationError) -> InvalidParams:
    """Return what does not fit, each under the name that its parameter has in a query."""
    errors = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name, *rest = map(str, each["loc"])
        pointer = f"/{TAG}{rest[0]}" if name == "tags" and rest else f"/{name}"
        errors.append({"pointer": pointer, "detail": each["msg"].removeprefix("Value error, ")})
    return InvalidParams(f"{errors[0]['pointer']}: {errors[0]['detail']}.", errors=errors)
