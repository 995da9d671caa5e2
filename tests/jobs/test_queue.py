"""Priorities, and where kinds are routed."""

import pytest

from arqsvc.jobs.declare import Params, Result
from arqsvc.jobs.queue import routed
from tests.flow.kinds import Say


@pytest.mark.parametrize("priority", [0, 11])
def test_a_priority_is_in_1_to_10(priority: int) -> None:
    with pytest.raises(TypeError, match=rf"has priority {priority}; it must be in 1\.\.10"):
        type("Rush", (Params,), {}, kind="test.rush", result=Result, priority=priority)


def test_the_first_route_that_fits_counts_and_without_one_the_kinds_own_queue() -> None:
    assert routed(Say, ()) == "test"
    assert routed(Say, [("other.*", "a"), ("test.*", "b"), ("test.say", "c")]) == "b"
