"""What is counted in memory, and in Redis."""

from arqsvc.infra.counts import MOST, OTHER, Counts, Metric, counted, pushed
from arqsvc.infra.redis import open_redis

MADE = Metric("made", "Made.", ("by",))
TOOK = Metric("took", "Took.", (), "histogram", (1.0, 2.0))


async def test_what_two_processes_count_is_added_up(redis_url: str) -> None:
    first, second = Counts(), Counts()
    async with open_redis(redis_url) as redis:
        async with pushed(first, redis), pushed(second, redis):
            first.add(MADE, ("a",))
            second.add(MADE, ("a",), 2.5)
            second.observe(TOOK, (), 1.0)
            second.observe(TOOK, (), 7.0)
        assert await counted(redis) == {
            ("made", ("a",), "n"): 3.5,
            ("took", (), 1.0): 1,
            ("took", (), float("inf")): 1,
            ("took", (), "sum"): 8.0,
        }


async def test_what_a_redis_that_is_away_misses_waits(redis_url: str) -> None:
    counts = Counts()
    async with open_redis(redis_url) as redis:
        await redis.set("arqsvc:counts", "no hash")
        async with pushed(counts, redis):
            counts.add(MADE, ("a",))
        assert counts.numbers() == {("made", ("a",), "n"): 1}
        await redis.delete("arqsvc:counts")
        async with pushed(counts, redis):
            pass
        assert await counted(redis) == {("made", ("a",), "n"): 1}


def test_a_metric_has_so_many_series_and_then_others() -> None:
    counts = Counts()
    for number in range(MOST + 2):
        counts.add(MADE, (str(number),))
    counts.add(MADE, ("0",))
    numbers = counts.numbers()
    assert len(numbers) == MOST + 1
    assert (numbers["made", ("0",), "n"], numbers["made", (OTHER,), "n"]) == (2, 2)
