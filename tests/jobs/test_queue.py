"""The order of a queue."""

from datetime import UTC, datetime, timedelta

import pytest

from arqsvc.jobs.declare import Params, Result
from arqsvc.jobs.queue import AHEAD_S, place_in_queue

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_jobs_of_one_priority_stand_in_the_order_in_which_they_came() -> None:
    places = [place_in_queue(5, after(second)) for second in (0, 0.001, 1, 3600)]
    assert places == sorted(set(places))


def test_an_urgent_job_stands_ahead_of_those_that_came_lately_and_behind_those_that_have_waited_long() -> None:
    urgent = place_in_queue(10, after(0))
    assert urgent < place_in_queue(5, after(-5 * AHEAD_S + 1))
    assert urgent > place_in_queue(5, after(-5 * AHEAD_S - 1))
    assert urgent > place_in_queue(1, after(-9 * AHEAD_S - 1))


@pytest.mark.parametrize("priority", [0, 11])
def test_a_priority_is_in_1_to_10(priority: int) -> None:
    with pytest.raises(TypeError, match=rf"has priority {priority}; it must be in 1\.\.10"):
        type("Rush", (Params,), {}, kind="test.rush", result=Result, priority=priority)
