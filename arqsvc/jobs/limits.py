"""Limits of jobs that run at a time, or start in a time, on all workers together.

What a job counts towards stands in its row. What runs is counted in the ledger, so that no count can be left behind by
a crash; starts in a time are paced by one row a limit (the generic cell rate algorithm: `starts` may come at once, and
then one every `per_s / starts` seconds). Who asks holds a lock by the names of the limits.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from arqsvc.infra.db import rows, transaction
from arqsvc.jobs.declare import Limit
from arqsvc.jobs.move import Moved, move
from arqsvc.jobs.places import fronted

_RELEASE_LOCK = 0x61727174
_WAITING = "job.state = 'blocked' AND job.reason = 'limited'"

_NEXT = f"""SELECT id, queue, priority FROM job WHERE {_WAITING} AND limits = $1::jsonb
    ORDER BY place LIMIT $2 FOR UPDATE SKIP LOCKED"""
_RELEASED = f"""UPDATE job SET state = 'queued', reason = NULL, seq = seq + 1, dispatch = dispatch + 1,
    queued_at = now(), place = next.place
FROM ({fronted(_NEXT)}) next WHERE job.id = next.id"""


def stored(bounds: Sequence[Limit]) -> list[list[Any]] | None:
    """Return limits as JSON values, in the order of their names."""
    by_name = sorted(bounds, key=lambda bound: bound.name)
    return [[each.name, each.at_once, each.starts, each.per_s] for each in by_name] or None


def read(text: str | None) -> list[Limit]:
    """Return what `stored` was given."""
    return [Limit(*values) for values in json.loads(text)] if text else []


async def take(bounds: Sequence[Limit]) -> bool:
    """Return whether one more job of these limits may begin now, and if so count its start."""
    for bound in bounds:
        if await _room(bound, 1) < 1:
            return False
    for bound in bounds:
        if bound.starts:
            await rows(
                """WITH started AS (INSERT INTO rate (name, next_at) VALUES ($1, now() + make_interval(secs => $2))
                    ON CONFLICT (name) DO UPDATE
                    SET next_at = greatest(rate.next_at, now()) + make_interval(secs => $2) RETURNING name)
                SELECT name FROM started""",
                [bound.name, bound.per_s / bound.starts],
            )
    return True


async def full(bounds: Sequence[Limit]) -> tuple[Limit, datetime | None] | None:
    """Return the first of these limits that lets no more jobs begin now; None where each has room.

    With it goes when the next may begin, where that is a matter of time.
    """
    for bound in bounds:
        if bound.at_once and not await _room(replace(bound, starts=None), 1):
            return bound, None
        if bound.starts and not await _room(replace(bound, at_once=None), 1):
            found = await rows("SELECT next_at FROM rate WHERE name = $1", [bound.name])
            early = timedelta(seconds=bound.per_s - bound.per_s / bound.starts)
            return bound, found[0]["next_at"] - early if found else None
    return None


async def _room(bound: Limit, most: int) -> int:
    """Return how many more jobs may begin now, at most `most`."""
    if bound.at_once:
        (found,) = await rows(
            """SELECT count(DISTINCT coalesce(kind || ' ' || shared, id::text)) AS n FROM job
            WHERE state = 'running' AND limits @> $1::jsonb""",
            [json.dumps([[bound.name]])],
        )
        most = min(most, bound.at_once - found["n"])
    if bound.starts:
        pace_s = bound.per_s / bound.starts
        (found,) = await rows(
            """SELECT coalesce((SELECT extract(epoch FROM next_at - now())::float8 FROM rate WHERE name = $1), 0)
                AS ahead_s""",
            [bound.name],
        )
        most = min(most, int((bound.per_s - max(0.0, found["ahead_s"])) / pace_s + 1e-6))
    return max(0, most)


async def release(limit: int = 100) -> list[Moved]:
    """blocked, limited -> queued, for as many of each set of limits as may begin; one process at a time.

    Each is counted when it begins; one that finds its place taken by then waits again. It has waited for its turn once,
    so it does not line up behind what its project has queued: this costs others what its limits let begin.
    """
    async with transaction():
        (found,) = await rows("SELECT pg_try_advisory_xact_lock($1) AS alone", [_RELEASE_LOCK])
        moved: list[Moved] = []
        for waiting in await _sets() if found["alone"] else ():
            room = limit
            for bound in read(waiting):
                room = min(room, await _room(bound, room))
            if room:
                moved += await move(_RELEASED, waiting, room)
    return moved


async def _sets() -> list[str]:
    """Return each set of limits that some job waits for."""
    found = await rows(
        f"""WITH RECURSIVE kinds AS (
            (SELECT limits FROM job WHERE {_WAITING} ORDER BY limits LIMIT 1)
            UNION ALL
            SELECT (SELECT limits FROM job WHERE {_WAITING} AND limits > kinds.limits ORDER BY limits LIMIT 1)
            FROM kinds WHERE kinds.limits IS NOT NULL
        )
        SELECT limits FROM kinds WHERE limits IS NOT NULL"""
    )
    return [row["limits"] for row in found]
