"""For tests of jobs of your own: `perform(Params)` through JSON and the real runner, and a clock that can be set.

With pytest and pytest-asyncio, write `pytest_plugins = ["arqsvc.testing"]` into `conftest.py`; a test takes `bench`:

    async def test_it_counts(bench: Bench, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a b c")
        done = await bench.perform(Count(file=await bench.upload(tmp_path / "a.txt")))
        assert done.result == Counted(words=3)

PostgreSQL and Valkey are started once a session; each test has a database of its own. Without pytest there is
`async with open_bench() as bench`. The page `docs/your-own-jobs.md` shows a whole family with its test.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
import pytest_asyncio

from arqsvc.testing.bench import Attempt, Bench, Done, open_bench
from arqsvc.testing.clock import Clock
from arqsvc.testing.servers import Servers, open_servers

__all__ = ["Attempt", "Bench", "Clock", "Done", "Servers", "open_bench", "open_servers"]


@pytest.fixture(scope="session")
def arqsvc_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of the whole session."""
    with asyncio.Runner() as runner:
        servers = open_servers(tmp_path_factory.mktemp("arqsvc-servers"))
        try:
            yield runner.run(servers.__aenter__())
        finally:
            runner.run(servers.__aexit__(None, None, None))


@pytest.fixture
def arqsvc_environ() -> Mapping[str, str]:
    """The settings of the families, as environment variables; override it to set some."""
    return {}


@pytest_asyncio.fixture
async def bench(
    arqsvc_servers: Servers, arqsvc_environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """A bench with a database of its own."""
    async with open_bench(arqsvc_servers, tmp_path_factory.mktemp("arqsvc"), arqsvc_environ) as bench:
        yield bench
