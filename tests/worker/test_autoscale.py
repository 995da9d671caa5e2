"""When another worker starts, when one stops, and that neither happens without a reason."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqsvc.worker.autoscale import Plan, Rule, Seen, decide

RULE = Rule(least=1, most=3, wait_s=5.0, idle_s=60.0, cpu=0.9)


def seen(
    at_s: float, *, oldest_s: float = 0.0, cpu: float = 0.2, ready: int = 1, leaving: int = 0, needed: int = 0
) -> Seen:
    return Seen(at_s, oldest_s, cpu, ready, leaving, needed)


@pytest.mark.parametrize(
    ("plan", "found", "workers"),
    [
        (Plan(1, settled_at_s=0.0), seen(9, oldest_s=5.1), 2),
        (Plan(1, settled_at_s=0.0), seen(9, oldest_s=5.0), 1),
        (Plan(1, settled_at_s=0.0), seen(9, oldest_s=99, cpu=0.91), 1),
        (Plan(1, settled_at_s=0.0), seen(4, oldest_s=99), 1),
        (Plan(2, settled_at_s=0.0), seen(9, oldest_s=99, ready=1), 2),
        (Plan(2, settled_at_s=0.0), seen(9, oldest_s=99, ready=2, leaving=1), 2),
        (Plan(3, settled_at_s=0.0), seen(9, oldest_s=99, ready=3), 3),
    ],
    ids=["late", "not yet", "CPUs are busy", "the last one is new", "one is not ready", "one still drains", "at most"],
)
def test_another_worker_starts_when_a_job_waits_and_it_can_help(plan: Plan, found: Seen, workers: int) -> None:
    assert decide(RULE, plan, found).workers == workers


@pytest.mark.parametrize(
    ("plan", "found", "workers"),
    [
        (Plan(2, quiet_at_s=0.0), seen(60, ready=2, needed=1), 1),
        (Plan(2, quiet_at_s=0.0), seen(60, ready=2, oldest_s=0.1), 1),
        (Plan(2, quiet_at_s=0.0), seen(60, ready=1), 1),
        (Plan(2, quiet_at_s=0.0), seen(59, ready=2), 2),
        (Plan(2, quiet_at_s=0.0), seen(60, ready=2, oldest_s=1.1), 2),
        (Plan(2, quiet_at_s=0.0), seen(60, ready=2, needed=2), 2),
        (Plan(1, quiet_at_s=0.0), seen(60), 1),
    ],
    ids=["idle", "just submitted", "one never came", "not yet", "one waited", "all are needed", "at least"],
)
def test_a_worker_stops_after_a_quiet_in_which_it_was_not_needed(plan: Plan, found: Seen, workers: int) -> None:
    assert decide(RULE, plan, found).workers == workers


def test_one_look_that_is_not_quiet_starts_the_quiet_anew() -> None:
    plan = decide(RULE, Plan(2, quiet_at_s=0.0), seen(59, ready=2, needed=2))
    plan = decide(RULE, plan, seen(60, ready=2))
    assert (plan.workers, plan.quiet_at_s) == (2, 60)


rules = st.builds(
    lambda least, more, wait_s, idle_s: Rule(least, least + more, wait_s, idle_s, 0.9),
    least=st.integers(1, 4),
    more=st.integers(0, 4),
    wait_s=st.sampled_from([0.3, 1.0, 5.0]),
    idle_s=st.sampled_from([0.5, 10.0, 60.0]),
)
worlds = st.lists(
    st.tuples(
        st.floats(0.01, 30.0),  # since the last look
        st.sampled_from([0.0, 0.2, 2.0, 100.0]),  # the oldest job
        st.sampled_from([0.1, 1.0]),  # CPU
        st.integers(0, 2),  # workers that are not ready
        st.integers(0, 2),  # workers that still drain
        st.integers(0, 8),  # workers that are needed
    ),
    max_size=200,
)


def history(rule: Rule, world: list[tuple[float, float, float, int, int, int]]) -> Iterator[tuple[Seen, Plan, Plan]]:
    plan, at_s = Plan(rule.least), 0.0
    for passed_s, oldest_s, cpu, missing, leaving, needed in world:
        at_s += passed_s
        found = Seen(at_s, oldest_s, cpu, max(0, plan.workers - missing), leaving, needed)
        before, plan = plan, decide(rule, plan, found)
        yield found, before, plan


@given(rules, worlds)
def test_it_never_leaves_its_bounds_and_does_not_flap(
    rule: Rule, world: list[tuple[float, float, float, int, int, int]]
) -> None:
    changes = [(0.0, 0)]
    for found, before, plan in history(rule, world):
        assert rule.least <= plan.workers <= rule.most
        by = plan.workers - before.workers
        if by == 1:
            assert found.oldest_s > rule.wait_s
            assert found.cpu <= rule.cpu
            assert found.ready == before.workers
            assert plan.workers + found.leaving <= rule.most
        elif by == -1:
            assert found.oldest_s <= rule.wait_s
            assert found.needed <= plan.workers
        if by:
            changes.append((found.at_s, by))
    for (before_s, _), (after_s, change) in pairwise(changes):
        assert after_s - before_s >= (rule.wait_s if change == 1 else rule.idle_s)
    assert all(abs(by) <= 1 for _, by in changes)
