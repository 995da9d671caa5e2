"""The heartbeat: it goes on, whatever happens to its connection."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from arqsvc.infra.db import connect
from arqsvc.jobs.lease import Lease
from benchmarks.chaos.link import Link
from tests.waiting import until

TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'INSERT INTO worker%'"""


async def test_it_goes_on_when_the_server_says_its_last_words_and_its_end_is_not_heard(database_url: str) -> None:
    url, returns = urlsplit(database_url), list[bool]()
    link = Link(Path(parse_qs(url.query)["host"][0], ".s.PGSQL.5432"))
    watch = await connect(database_url)
    try:
        async with link.listening():
            through = f"postgres://arqsvc@127.0.0.1:{link.port}{url.path}?sslmode=disable"
            lease = Lease(through, "w", {"q": 1}, every_s=0.5, hung_s=0, on_return=lambda: returns.append(True))
            with link.unending():
                async with lease.held():
                    assert await watch.fetchval(TERMINATE) == 1
                    await until(lambda: bool(returns))
                    await until(lambda: lease.steady)
        assert not await watch.fetch("SELECT FROM worker")
    finally:
        await watch.close()
