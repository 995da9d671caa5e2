"""Where a job stands in its queue: projects take turns, and within that an urgent job stands ahead.

A queue is served by place, the least first. A place is a turn less 60 for each step of priority. Each job that a
project queues takes the turn behind its last, so 10,000 jobs of one take 10,000 turns, and the one job of another that
comes meanwhile takes the turn that is on now. Where several projects wait they alternate; who has not waited has saved
nothing up. (Start-time fair queueing: Goyal, Vin & Cheng 1997, doi:10.1109/90.649569.)

- Now is the furthest turn that has begun. It is kept, a row a queue, and never goes back; so neither what has run for
  days nor what comes back to an old place moves it, and it goes on whoever it is that is served.
- A new job begins half a turn behind now, so that all that waits comes to be first: a trickle of urgent jobs, each of
  another project, does not starve the rest. Behind jobs of its own project it begins a whole turn, but only behind
  those of its priority or a more urgent one: an urgent job does not line up behind its project's own backlog.
- Urgent jobs are served before their turn, so now may be ahead of those that wait. A new job therefore stands beside
  the first that waits of its own priority; but never further back than what priority explains, whatever stands there.

What priority does to others is bounded: a project that calls all its jobs urgent (10) gets `60 * 5 = 300` of them ahead
of one whose jobs are not (5), once; then they alternate. Since what waits is not moved, each priority that a project
uses is a line of its own: one that queues its least urgent jobs first may take a turn for each priority that it uses.

Turns are numbered from 0 for a new queue; places of an older version were seconds since 1970, and its queues go on from
there. Ties are by id, which is by time. Two processes that write at once do not see each other: jobs of one project may
then share their turns, as many as one statement writes.
"""

from uuid import UUID

from arqsvc.infra.db import rows

AHEAD = 60
"""Turns for which one step of priority lets a job stand ahead of others."""
MOST_URGENT = 10
BEHIND_MOST = 10_000
"""As far as `ahead` counts."""

_AHEAD = f"{AHEAD}::float8"
_FRONT = f"""LATERAL (SELECT coalesce((SELECT at FROM turn WHERE turn.queue = flow.queue), 0) AS at OFFSET 0) turn,
    LATERAL (SELECT (SELECT place + {_AHEAD} * job.priority FROM job
        WHERE state = 'queued' AND job.queue = flow.queue AND job.priority = flow.priority
            AND place >= turn.at - {_AHEAD} * {MOST_URGENT}
        ORDER BY place LIMIT 1) AS at OFFSET 0) first,
    LATERAL (SELECT 0.5 + CASE WHEN first.at > turn.at + 1 THEN first.at ELSE least(turn.at, first.at) END AS at
        OFFSET 0) front"""
"""Joined to `flow (queue, priority)`: the turn of one who comes now and has nothing there, `front.at`.

Where a look begins is bounded: what has begun is left in an index until that is cleaned, and looked through.
"""

TURN = f"""begun AS (SELECT queue, max(place + {_AHEAD} * priority) AS at FROM moved GROUP BY queue),
turned AS (UPDATE turn SET at = begun.at
    FROM begun, LATERAL (SELECT FROM turn WHERE turn.queue = begun.queue AND turn.at < begun.at
        FOR UPDATE SKIP LOCKED) free
    WHERE turn.queue = begun.queue AND turn.at < begun.at),
first_turn AS (INSERT INTO turn (queue, at)
    SELECT queue, at FROM begun WHERE NOT EXISTS (SELECT FROM turn WHERE turn.queue = begun.queue)
    ON CONFLICT DO NOTHING),"""
"""CTEs behind `moved`, the jobs that begin now: it is their turn, if nobody else is noting another just now."""


def placed(jobs: str) -> str:
    """Return the SQL of a query: the rows of `jobs`, and the `place` of each behind what its project has queued.

    Args:
        jobs: a query of `id, queue, project, priority, state` and more; one with another `state` than `queued` takes no
            turn.
    """
    return f"""WITH new AS ({jobs}), flow AS MATERIALIZED (
        SELECT queue, project, priority, greatest(front.at, 1 + (
            SELECT max(last.at) FROM generate_series(flow.priority, {MOST_URGENT}) step(priority), LATERAL (
                SELECT place + {_AHEAD} * job.priority AS at FROM job
                WHERE state = 'queued' AND job.queue = flow.queue AND job.project = flow.project
                    AND job.priority = step.priority AND place > front.at - 1 - {_AHEAD} * step.priority
                ORDER BY place DESC LIMIT 1) last)) AS turn
        FROM (SELECT DISTINCT queue, project, priority FROM new) flow, {_FRONT}
    )
    SELECT new.*, flow.turn - {_AHEAD} * priority - 1 + row_number() OVER (
        PARTITION BY queue, project, state = 'queued' ORDER BY priority DESC, id) AS place
    FROM new JOIN flow USING (queue, project, priority)"""


def fronted(jobs: str) -> str:
    """Return the SQL of a query: `id` and `place` of the rows of `jobs`, each with those whose turn is on now.

    Args:
        jobs: a query of `id, queue, priority`.
    """
    return f"SELECT flow.id, front.at - {_AHEAD} * flow.priority AS place FROM ({jobs}) flow, {_FRONT}"


async def ahead(job: UUID) -> dict[str, int] | None:
    """Return how many queued jobs of each kind stand before this one in its queue; None if it is not queued.

    They are counted up to 10,000 in all.
    """
    found = await rows(
        f"""SELECT before.kind, count(before.kind) AS n FROM job this LEFT JOIN LATERAL (
                SELECT each.kind FROM generate_series(1, {MOST_URGENT}) step(priority), LATERAL (
                    SELECT kind FROM job WHERE state = 'queued' AND job.queue = this.queue
                        AND job.priority = step.priority AND (job.place, job.id) < (this.place, this.id)
                    LIMIT {BEHIND_MOST}) each
                LIMIT {BEHIND_MOST}) before ON true
            WHERE this.id = $1 AND this.state = 'queued' GROUP BY before.kind ORDER BY before.kind""",
        [job],
    )
    return {row["kind"]: row["n"] for row in found if row["kind"]} if found else None
