"""What a trial has shown: what was lost, what was done twice, and how soon what a killed worker held began again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import asyncpg

from benchmarks.chaos.disturbances import Disturber
from benchmarks.chaos.kinds import marks
from benchmarks.chaos.stage import Stage

ENDED = "('succeeded', 'failed', 'cancelled')"
UNENDED = f"SELECT count(*) FROM job WHERE state NOT IN {ENDED}"
LOST = f"""SELECT count(*) FROM unnest($1::uuid[]) AS accepted(id) LEFT JOIN job USING (id)
    WHERE job.id IS NULL OR job.state NOT IN {ENDED}"""
STATES = "SELECT state || coalesce(', ' || reason, '') AS how, count(*) FROM job GROUP BY 1 ORDER BY 2 DESC"
DOUBTS = {
    "other than one succeeded attempt": """SELECT count(*) FROM job WHERE (state = 'succeeded')::int <>
        (SELECT count(*) FROM attempt WHERE job_id = job.id AND outcome = 'succeeded')""",
    "two final events": f"""SELECT count(*) FROM (SELECT FROM job_event WHERE state IN {ENDED}
        GROUP BY job_id HAVING count(*) > 1) twice""",
    "published twice": "SELECT count(*) FROM (SELECT FROM file GROUP BY job_id, name HAVING count(*) > 1) twice",
    "published without success": """SELECT count(*) FROM file JOIN job ON job.id = file.job_id
        WHERE job.state <> 'succeeded'""",
    "another's result": """SELECT count(*) FROM job WHERE state = 'succeeded'
        AND result->'n' IS DISTINCT FROM params->'n'""",
    "attempts that overlap in the ledger": """SELECT count(*) FROM attempt one JOIN attempt next
        ON next.job_id = one.job_id AND next.number = one.number + 1 WHERE one.finished_at IS NULL
        OR one.finished_at > next.started_at""",
    "events that are not numbered without a gap": """SELECT count(*) FROM (SELECT FROM job_event
        JOIN job ON job.id = job_event.job_id GROUP BY job.id
        HAVING max(job_event.seq) <> count(*) OR max(job_event.seq) <> job.seq) gap""",
}
"""What must never be, each with how many such jobs there are."""
HEARD = "SELECT pid FROM worker WHERE heartbeat_at > now() - make_interval(secs => $1)"
ATTEMPTS = """SELECT job_id, number, worker, outcome, extract(epoch FROM started_at)::float8 AS started_s,
    coalesce(extract(epoch FROM finished_at)::float8, 'infinity') AS finished_s FROM attempt ORDER BY job_id, number"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of the ledger's attempts."""

    job_id: UUID
    number: int
    worker: str
    outcome: str | None
    started_s: float
    """Seconds since 1970."""
    finished_s: float

    @property
    def key(self) -> tuple[UUID, int]:
        """Which one it is."""
        return self.job_id, self.number

    @property
    def pid(self) -> int:
        """The process id in the name of its worker."""
        return int(self.worker.split(":")[-2])


Work = Mapping[tuple[UUID, int], tuple[float, float]]
"""From when to when each attempt worked, by its key; one that was cut short worked for no time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in the ledger and in the marks."""

    accepted: int
    """Submissions that were answered with 202."""
    lost: int
    """Of these, jobs that are in no final state."""
    ledger: int
    """Jobs in the ledger: the accepted, what these need, and what was written and not answered."""
    unended: int
    """Of these, jobs that are in no final state."""
    states: Mapping[str, int]
    doubts: Mapping[str, int]
    """What must never be, and how often it was."""
    outlived: int
    """Attempts that went on after their job had been given to another: nothing of theirs was recorded."""
    silent: int
    """Workers that run in the end and do not say so in the ledger."""
    unfounded: int
    """Attempts taken from a worker that was neither killed, nor stopped, nor cut off."""
    rescues_s: Sequence[float]
    """For each job of a killed worker: from the kill until it was queued again, in seconds, ascending."""
    restarts_s: Sequence[float]
    """For each of these: from the kill to the start of its next attempt, in seconds, ascending."""

    @property
    def twice(self) -> int:
        """How often something was done twice, or otherwise as it must never be."""
        return sum(self.doubts.values())

    @property
    def flawless(self) -> bool:
        """Whether nothing was lost, nothing done twice, and every worker is well."""
        return not (self.lost or self.unended or self.twice or self.silent)


async def reach_verdict(ledger: asyncpg.Connection, accepted: Sequence[UUID], disturber: Disturber) -> Verdict:
    """Return what the ledger and the marks show."""
    attempts = [Attempt(**row) for row in await ledger.fetch(ATTEMPTS)]
    stage = disturber.stage
    work = _work(stage.settings.state_dir)
    doubts = {what: await ledger.fetchval(query) for what, query in DOUBTS.items()}
    doubts["two at a time, and both recorded"] = _both_recorded(attempts, work)
    states = {row["how"]: row["count"] for row in await ledger.fetch(STATES)}
    lost = [each for each in attempts if each.outcome == "lost" and each.key in work]
    killed = list(_killed(attempts, disturber.kills))
    return Verdict(
        accepted=len(accepted),
        lost=await ledger.fetchval(LOST, accepted),
        ledger=sum(states.values()),
        unended=await ledger.fetchval(UNENDED),
        states=states,
        doubts=doubts,
        outlived=sum(work[each.key][1] > each.finished_s for each in lost),
        silent=await silent(ledger, stage),
        unfounded=sum(each.pid not in disturber.suspects for each in lost),
        rescues_s=sorted(attempt.finished_s - at_s for attempt, _, at_s in killed),
        restarts_s=sorted(later.started_s - at_s for _, later, at_s in killed),
    )


async def silent(ledger: asyncpg.Connection, stage: Stage) -> int:
    """Count the workers that run, or should, and do not say so."""
    heard = {row["pid"] for row in await ledger.fetch(HEARD, stage.settings.lease_s)}
    return sum(worker.pid not in heard for worker in stage.workers)


def _work(state_dir: Path) -> Work:
    found = dict[tuple[UUID, int], tuple[float, float]]()
    for mark in marks(state_dir):
        began_s, _ = found.get((mark.job, mark.attempt), (mark.at_s, 0.0))
        found[mark.job, mark.attempt] = began_s, mark.at_s
    return found


def _both_recorded(attempts: Iterable[Attempt], work: Work) -> int:
    """Count pairs of attempts of one job that worked at the same time and both have an end of their own."""
    recorded = defaultdict[UUID, list[tuple[float, float]]](list)
    for each in attempts:
        if each.outcome not in {None, "lost"} and each.key in work:
            recorded[each.job_id].append(work[each.key])
    return sum(
        later_began_s < ended_s
        for spans in recorded.values()
        for (_, ended_s), (later_began_s, _) in pairwise(sorted(spans))
    )


def _killed(
    attempts: Iterable[Attempt], kills: Sequence[tuple[int, float]]
) -> Iterator[tuple[Attempt, Attempt, float]]:
    """Yield each attempt that a kill ended, the next of its job, and the time of the kill."""
    for lost, later in pairwise(attempts):
        if lost.outcome == "lost" and later.job_id == lost.job_id:
            for pid, at_s in kills:
                if pid == lost.pid and lost.started_s <= at_s <= lost.finished_s:
                    yield lost, later, at_s


def unexpected(exit_codes: Iterable[int]) -> Counter[int]:
    """Return the exit codes that no SIGKILL of ours explains."""
    return Counter(code for code in exit_codes if code != 137)
