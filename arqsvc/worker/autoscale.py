"""As many worker processes as the queues need: another while jobs wait and CPUs are free, one fewer in a long quiet.

What is decided is `decide`, a function of what is remembered and of what is seen; `autoscale` looks and obeys.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

import psutil

from arqsvc.infra import open_infra
from arqsvc.infra.db import rows
from arqsvc.infra.supervise import supervised, task_group
from arqsvc.jobs.queues import workers_for
from arqsvc.settings import Settings
from arqsvc.worker.processes import Processes

if TYPE_CHECKING:
    from arqsvc.worker.worker import Wish  # which needs arq, and this process does not

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks. A job that is queued for as long has waited; one just submitted has not."""
KILL_S = 20.0
"""Seconds beyond drain and clean-up that a worker gets to end before it is killed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the settings say."""

    least: int
    most: int
    wait_s: float
    """For how long a job may wait; another worker gets as long to take effect."""
    idle_s: float
    """For how long the quiet must last before one is stopped."""
    cpu: float
    """Fraction of CPU time, 0..1, above which none is started."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look shows."""

    at_s: float
    """When, by a clock that never goes back."""
    oldest_s: float
    """Seconds for which the job that has waited longest is queued; 0 where none is."""
    cpu: float
    """Fraction of this host's CPU time, 0..1, that was used since the last look."""
    ready: int
    """Workers that beat, those told to stop left out."""
    leaving: int
    """Workers that were told to stop and have not ended."""
    needed: int
    """Workers that would hold all that runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many workers there are to be, and what is remembered from look to look."""

    workers: int
    settled_at_s: float | None = None
    """Since when all of them beat; None before the first look that finds it so."""
    quiet_at_s: float | None = None
    """Since when nothing has waited and a worker's worth of slots stood idle; None while it is not so."""


def decide(rule: Rule, plan: Plan, seen: Seen) -> Plan:
    """Return the plan from now on: one worker more, one fewer, or as many; always in `rule.least..rule.most`.

    >>> rule = Rule(least=1, most=4, wait_s=5, idle_s=60, cpu=0.9)
    >>> decide(rule, Plan(1, settled_at_s=0), Seen(at_s=7, oldest_s=6, cpu=0.2, ready=1, leaving=0, needed=1)).workers
    2
    """
    settled = _since(plan.settled_at_s, seen.at_s, seen.ready >= plan.workers)
    waits = seen.oldest_s > min(LOOK_S, rule.wait_s)
    quiet = _since(plan.quiet_at_s, seen.at_s, not waits and seen.needed < plan.workers)
    late = seen.oldest_s > rule.wait_s and seen.cpu <= rule.cpu
    took_effect = settled is not None and seen.at_s - settled >= rule.wait_s
    if late and took_effect and plan.workers + seen.leaving < rule.most:
        return Plan(plan.workers + 1)
    if quiet is not None and seen.at_s - quiet >= rule.idle_s and plan.workers > rule.least:
        return Plan(plan.workers - 1)
    return Plan(plan.workers, settled, quiet)


def _since(before_s: float | None, now_s: float, holds: bool) -> float | None:
    if not holds:
        return None
    return now_s if before_s is None else before_s


async def autoscale(
    settings: Settings,
    queues: Mapping[str, int],
    command: Sequence[str | Path],
    env: Mapping[str, str],
    stop: "Wish",
) -> None:
    """Keep as many workers running as the settings allow and the queues need, until `stop` is wished; then they drain.

    Args:
        settings: `autoscale` is set.
        queues: what each worker serves, and how many jobs it runs at a time in each.
        command: runs one worker.
        env: the whole environment of a worker.
        stop: ends it.

    Raises:
        CannotStart: a server is not set, or does not answer.
    """
    assert settings.worker_bounds
    async with open_infra(settings), task_group() as group:
        workers = Processes(group, command, env, settings.drain_s + settings.cancel_grace_s + KILL_S)
        for _ in range(settings.worker_bounds[0]):
            workers.start()
        async with supervised([("autoscale", lambda: _scale(workers, settings, queues))]):
            await stop.wait()
        await workers.end(stop)


async def _scale(workers: Processes, settings: Settings, queues: Mapping[str, int]) -> None:
    """Look, decide and obey, for ever."""
    assert settings.worker_bounds
    rule = Rule(*settings.worker_bounds, settings.autoscale_wait_s, settings.autoscale_idle_s, settings.autoscale_cpu)
    plan = Plan(workers.size)
    psutil.cpu_percent()  # the next call says what was used since this one
    while True:
        await asyncio.sleep(LOOK_S)
        running = await _running(workers.pids, settings.lease_s)
        seen = await _look(workers, running, queues)
        before, plan = plan, decide(rule, plan, seen)
        facts = {"workers": plan.workers, "oldest_s": round(seen.oldest_s, 1), "cpu": round(seen.cpu, 2)}
        if plan.workers > before.workers:
            logger.info("jobs wait; another worker starts", extra=facts)
            workers.start()
        elif plan.workers < before.workers:
            logger.info("little to do; a worker stops", extra=facts)
            workers.stop_idlest({pid: jobs.total() for pid, jobs in running.items()})


async def _running(pids: Sequence[int], lease_s: float) -> dict[int, Counter[str]]:
    """Return, by process id, what those of these workers that beat run: how many jobs of each queue."""
    found = await rows(
        """WITH ours AS (SELECT DISTINCT ON (pid) id, pid FROM worker
            WHERE host = $1 AND pid = ANY($2::int[]) AND heartbeat_at > now() - make_interval(secs => $3)
            ORDER BY pid, started_at DESC)
        SELECT ours.pid, job.queue, count(job.id) AS n FROM ours
        LEFT JOIN job ON job.worker = ours.id AND job.state = 'running' AND job.reason IS NULL GROUP BY 1, 2""",
        [gethostname(), pids, lease_s],
    )
    running: dict[int, Counter[str]] = {row["pid"]: Counter() for row in found}
    for row in found:
        running[row["pid"]][row["queue"]] += row["n"]
    return running


async def _look(workers: Processes, running: Mapping[int, Counter[str]], queues: Mapping[str, int]) -> Seen:
    """Return what is to be seen now; a job in a paused queue waits for nobody."""
    (oldest,) = await rows(
        """SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float8 AS s FROM job
        WHERE state = 'queued' AND queue = ANY($1::text[])
            AND queue NOT IN (SELECT name FROM queue WHERE mode = 'paused')""",
        [list(queues)],
    )
    jobs = sum(running.values(), Counter[str]())
    return Seen(
        at_s=asyncio.get_running_loop().time(),
        oldest_s=max(0.0, oldest["s"]),
        cpu=psutil.cpu_percent() / 100,
        ready=len(running),
        leaving=workers.leaving,
        needed=max((workers_for(n, queues.get(queue, 1)) for queue, n in jobs.items()), default=0),
    )
