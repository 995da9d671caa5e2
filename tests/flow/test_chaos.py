"""What `python -m benchmarks.chaos` does for minutes, in seconds: nothing is lost, and nothing is done twice."""

import asyncio
from pathlib import Path

from benchmarks.chaos.plan import KINDS, Plan, schedule
from benchmarks.chaos.trial import tried

PLAN = Plan(
    jobs=600, seed=2, seconds=20.0, pause_s=(1.2, 2.0), lasting_s=4.0, settle_s=60.0, heartbeat_s=0.5, lease_s=2.0,
    reconcile_s=0.5, concurrency=4,
)  # fmt: skip


def test_a_seed_names_one_schedule_which_has_it_all() -> None:
    planned = schedule(PLAN)
    assert planned == schedule(PLAN)
    assert {each.what for each in planned} == set(KINDS)


def test_nothing_is_lost_and_nothing_done_twice_while_everything_is_killed(tmp_path: Path) -> None:
    outcome = asyncio.run(tried(PLAN, tmp_path))
    assert outcome.verdict.accepted == PLAN.jobs
    assert outcome.verdict.flawless, outcome
    assert sum(outcome.happened.values()) > len(KINDS) / 2
