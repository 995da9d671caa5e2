"""Jobs in the order in which they go on: what is scheduled by when it is due, what is queued by its place."""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from arqsvc.infra.db import searched
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.record import State

FURTHEST_US = 1 << 53
"""Microseconds since 1970, in the year 2255, up to which they are exact as a float8."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a job stands in such an order."""

    at: float
    """Its place in its queue; or when it is due, in whole microseconds since 1970."""
    job: UUID

    def written(self) -> bytes:
        """Return it as `SIZE` bytes."""
        return struct.pack(_FORM, self.at, self.job.bytes)

    @classmethod
    def read(cls, written: bytes) -> Self:
        """Return what was written."""
        at, job = struct.unpack(_FORM, written)
        return cls(at, UUID(bytes=job))


_FORM = ">d16s"
SIZE = struct.calcsize(_FORM)


async def due(project: str, wanted: Filter, after: Stand | None, limit: int) -> list[Stand]:
    """Return the scheduled jobs of a project that fit, the soonest due first, behind `after`."""
    behind = "(due_at, id) > ('epoch'::timestamptz + ${}::float8 * interval '1 microsecond', ${}::uuid)"
    if after is not None:  # it comes from a cursor, which anybody may have made
        after = replace(after, at=min(max(after.at, 0.0), float(FURTHEST_US)))
    condition, values = _fitting(wanted, behind, after)
    found = await searched(
        f"""SELECT id, (extract(epoch FROM due_at) * 1000000)::float8 AS at FROM job
        WHERE project = $1 AND state = 'scheduled' AND {condition} ORDER BY due_at, id LIMIT {limit}""",
        [project, *values],
    )
    return [Stand(row["at"], row["id"]) for row in found]


async def queued(project: str, wanted: Filter, after: Stand | None, limit: int) -> list[Stand]:
    """Return the queued jobs of a project that fit, the next of its queue first, behind `after`.

    A queue has a line for each priority, and an index each line in its order; what is read is the beginnings of these.
    """
    condition, values = _fitting(wanted, "(place, id) > (${}::float8, ${}::uuid)", after)
    found = await searched(
        f"""WITH RECURSIVE line AS (
            (SELECT queue, priority FROM job WHERE state = 'queued' ORDER BY queue, priority LIMIT 1)
            UNION ALL
            SELECT next.* FROM line, LATERAL (SELECT queue, priority FROM job
                WHERE state = 'queued' AND (job.queue, job.priority) > (line.queue, line.priority)
                ORDER BY queue, priority LIMIT 1) next
        )
        SELECT first.id, first.place AS at FROM line, LATERAL (SELECT id, place FROM job
            WHERE job.queue = line.queue AND project = $1 AND job.priority = line.priority
                AND state = 'queued' AND {condition}
            ORDER BY place, id LIMIT {limit}) first
        ORDER BY first.place, first.id LIMIT {limit}""",
        [project, *values],
    )
    return [Stand(row["at"], row["id"]) for row in found]


def _fitting(wanted: Filter, behind: str, after: Stand | None) -> tuple[str, list[Any]]:
    """Return the condition on a row of a job that fits and stands behind another, and its values from $2 on."""
    condition, values = wanted.where(2)
    if after is not None:
        condition += " AND " + behind.format(len(values) + 2, len(values) + 3)
        values += [after.at, after.job]
    return condition, values


@dataclass(frozen=True, slots=True)
class Sort:
    """One of these orders: of which state it is, and what reads it."""

    state: State
    read: Callable[[str, Filter, Stand | None, int], Awaitable[list[Stand]]]


SORTS = {"due": Sort(State.SCHEDULED, due), "place": Sort(State.QUEUED, queued)}
