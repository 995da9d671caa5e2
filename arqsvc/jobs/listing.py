"""Jobs by a filter: pages that stay right while rows arrive and end, and how many there are of what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows, searched
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.record import FINAL, JobRecord, State

LARGE = frozenset({"params", "result", "checkpoint"})
"""Columns that a brief look leaves in the database."""
_COLUMNS: Sequence[Mapping[str, Any]] = JobRecord.describe()["data_fields"]
SEARCHED = 50_000
"""Jobs that one page looks through for a text; the next page goes on behind them."""
COUNTED = 50_000
"""Jobs, the newest that fit, that are counted one by one."""
TAGGED = 10_000
"""The same, for their tags."""
MOST = 10_000
"""As far as the jobs of a state are counted where more fit than that."""
MOST_TAGS, MOST_VALUES = 20, 50
"""Tags, and values of one tag, that are told: the most frequent."""


@dataclass(frozen=True, slots=True)
class Order:
    """Where a page begins, and which way it goes."""

    after: UUID | None
    """The job behind which it begins; None for the first page."""
    newest_first: bool
    limit: int


async def page(project: str, wanted: Filter, order: Order) -> tuple[list[UUID], UUID | None]:
    """Return the jobs of a project that fit, and behind which job to go on; None where there are no more.

    The order is that of ids, which never changes: what arrives or ends meanwhile moves nothing to another page. A page
    may hold fewer than `limit`, or none, though there are more: it looks through so many jobs for a text.
    """
    condition, values = wanted.rough.where(2)
    way, behind = ("DESC", "<") if order.newest_first else ("ASC", ">")
    if order.after is not None:
        values.append(order.after)
        condition += f" AND id {behind} ${len(values) + 1}"
    looked = f"FROM job WHERE project = $1 AND {condition} ORDER BY id {way}"
    if wanted.live:
        found = await searched(f"SELECT id {looked} LIMIT {order.limit + 1}", [project, *values])
    else:
        fits, text = Filter(q=wanted.q).where(len(values) + 2)
        found = await searched(
            f"""SELECT id FROM (SELECT id, params, tags, error {looked} LIMIT {SEARCHED}) job WHERE {fits}
            ORDER BY id {way} LIMIT {order.limit + 1}""",
            [project, *values, *text],
        )
    ids = [row["id"] for row in found]
    if len(ids) > order.limit:
        return ids[: order.limit], ids[order.limit - 1]
    if wanted.live:
        return ids, None
    last = await searched(f"SELECT id {looked} OFFSET {SEARCHED - 1} LIMIT 1", [project, *values])
    return ids, last[0]["id"] if last else None


async def read(jobs: Sequence[UUID], *, brief: bool) -> list[JobRecord]:
    """Return these jobs, in this order, without those that are gone by now; briefly, without what may be large."""
    query = JobRecord.filter(id__in=jobs)
    if brief:
        query = query.only("id", *(each["name"] for each in _COLUMNS if each["name"] not in LARGE))
    found = {job.id: job for job in await query} if jobs else {}
    for job in found.values() if brief else ():
        job.params, job.result = {}, None
    return [found[job] for job in jobs if job in found]


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs; at least so many where it is not exact."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs fit a filter, and of what."""

    all: Count
    state: Mapping[str, Count]
    kind: Mapping[str, Count]
    queue: Mapping[str, Count]
    tags: Mapping[str, Mapping[str, Count]]
    """By name, by value; the most frequent of both."""


async def counts(project: str, wanted: Filter) -> Counts:
    """Return how many jobs of a project fit, by state, kind, queue and tag.

    All is exact where fewer than `COUNTED` fit, and of tags where fewer than `TAGGED` do. Else the numbers are of the
    newest of them, and of a state up to `MOST`. A text is looked for in the newest `SEARCHED` that fit otherwise: all
    is exact where these are fewer.
    """
    newest, values, whole = await _newest(project, wanted)
    found = await searched(
        f"SELECT state, kind, queue, count(*) AS n FROM {newest} {COUNTED}) job GROUP BY state, kind, queue",
        values,
    )
    total = sum(row["n"] for row in found)
    exact = total < COUNTED and whole
    state, kind, queue = (_summed(found, column, exact=exact) for column in ("state", "kind", "queue"))
    if not exact and wanted.live:
        state |= await states(project, wanted, state)
    tags = await searched(
        f"""WITH numbers AS (SELECT tag.key, tag.value, count(*) AS n
            FROM {newest} {TAGGED}) job, jsonb_each_text(job.tags) tag GROUP BY tag.key, tag.value),
        ranked AS (SELECT *, row_number() OVER (PARTITION BY key ORDER BY n DESC, value) AS rank,
            sum(n) OVER (PARTITION BY key) AS of_key FROM numbers)
        SELECT key, value, n FROM (SELECT *, dense_rank() OVER (ORDER BY of_key DESC, key) AS place FROM ranked
            WHERE rank <= {MOST_VALUES}) told WHERE place <= {MOST_TAGS} ORDER BY place, rank""",
        values,
    )
    by_tag: dict[str, dict[str, Count]] = {}
    for row in tags:
        by_tag.setdefault(row["key"], {})[row["value"]] = Count(row["n"], total < TAGGED and whole)
    return Counts(Count(total, exact), state, kind, queue, by_tag)


async def _newest(project: str, wanted: Filter) -> tuple[str, list[Any], bool]:
    """Return the beginning of a statement of the newest jobs that fit, its values, and whether all are looked through.

    What is to follow it is how many, and a bracket.
    """
    condition, given = wanted.rough.where(2)
    values, columns = [project, *given], "state, kind, queue, tags"
    looked = f"FROM job WHERE project = $1 AND {condition} ORDER BY id DESC"
    if wanted.live:
        return f"(SELECT {columns} {looked} LIMIT", values, True
    fits, text = Filter(q=wanted.q).where(len(values) + 1)
    more = await searched(f"SELECT FROM job WHERE project = $1 AND {condition} OFFSET {SEARCHED - 1} LIMIT 1", values)
    searched_through = f"(SELECT {columns}, params, error {looked} LIMIT {SEARCHED}) job"
    return f"(SELECT {columns} FROM {searched_through} WHERE {fits} LIMIT", [*values, *text], not more


async def states(project: str, wanted: Filter, known: Mapping[str, Count] = MappingProxyType({})) -> dict[str, Count]:
    """Return how many jobs that fit are in each state that has any, up to `MOST`; not of those known to have as many.

    Args:
        wanted: looks for no text: that has no bound here.
    """
    condition, values = wanted.where(2)
    asked = [state for state in State if state not in known or known[state].count < MOST]
    found = await searched(
        " UNION ALL ".join(
            f"""SELECT '{state.value}' AS state, count(*) AS n FROM (
                SELECT FROM job WHERE project = $1 AND state = '{state.value}' AND {condition} LIMIT {MOST}) job"""
            for state in asked
        ),
        [project, *values],
    ) if asked else []  # fmt: skip
    return {row["state"]: Count(row["n"], row["n"] < MOST) for row in found if row["n"]}


def _summed(found: Sequence[Mapping[str, Any]], column: str, *, exact: bool) -> dict[str, Count]:
    """Return how many there are of each value of a column, the most frequent first."""
    numbers = Counter[str]()
    for row in found:
        numbers[row[column]] += row["n"]
    return {name: Count(n, exact) for name, n in numbers.most_common()}


_UNENDED = " UNION ALL ".join(
    f"""SELECT state, reason, max(cancel_requested_at) AS cancel_requested_at, count(*) AS n FROM job
    WHERE state = '{state.value}' GROUP BY state, reason, cancel_requested_at IS NULL"""
    for state in State
    if state not in FINAL
)


async def unended() -> list[tuple[JobRecord, int]]:
    """Return how many jobs of all projects have not ended: for each state, reason and wish to cancel such a job."""
    columns = ("reason", "cancel_requested_at")
    return [
        (JobRecord(state=State(row["state"]), **{name: row[name] for name in columns}), row["n"])
        for row in await rows(_UNENDED)
    ]
