"""PostgreSQL or Redis away for a while: said as such, and nothing is lost."""

import asyncio
import os
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

from pydantic import SecretStr
from redis.asyncio import Redis

from arqsvc.infra.db import connect
from tests.cli.program import Program
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import pids_in, until


async def cut_connections(service: Service) -> None:
    """End every connection to this test's database, as a restart of the server does."""
    assert service.settings.database_url
    connection = await connect(service.settings.database_url.get_secret_value())
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def allow_connections(service: Service, *, allowed: bool) -> None:
    """Let the server refuse new connections to this test's database, or take them again."""
    assert service.settings.database_url
    url = service.settings.database_url.get_secret_value()
    name = url.partition("?")[0].rpartition("/")[2]
    connection = await connect(url.replace(f"/{name}?", "/postgres?"))
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
        if not allowed:
            await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    finally:
        await connection.close()


async def test_a_redis_that_hangs_delays_a_submission_and_loses_nothing(api: Service) -> None:
    assert api.settings.redis_url
    async with Redis.from_url(api.settings.redis_url.get_secret_value()) as redis:
        pid = (await redis.info("server"))["process_id"]
    os.kill(pid, SIGSTOP)
    try:
        async with asyncio.timeout(15):
            job = await api.client.submit("test.say", {"text": "patience"})
            assert (await api.client.job(job["id"]))["state"] == "queued"
    finally:
        os.kill(pid, SIGCONT)
    async with worker_process(api.settings):
        assert (await api.client.result(job["id"]))["result"] == {"text": "patience"}


async def test_a_job_that_ends_while_the_database_is_away_ends_when_it_is_back(
    service: Service, tmp_path: Path
) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    await pids_in(tmp_path)
    await allow_connections(service, allowed=False)
    (tmp_path / "go").touch()
    answer = await service.http.get(f"/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["code"]) == (503, "source_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (await service.http.get("/livez")).status_code == 200
    ready = await service.http.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "does not answer")
    following = asyncio.ensure_future(service.client.result(job["id"]))
    await asyncio.wait([following], timeout=1)
    await allow_connections(service, allowed=True)
    ended = await following
    assert (ended["state"], ended["attempt"], ended["result"]) == ("succeeded", 1, {"text": "went"})


async def test_connections_that_are_cut_are_made_anew(service: Service) -> None:
    assert (await service.ended("test.say", {"text": "before"}))["state"] == "succeeded"
    await cut_connections(service)
    assert (await service.ended("test.say", {"text": "after"}))["state"] == "succeeded"


async def test_up_ends_with_one_line_when_a_server_of_its_own_dies_and_the_next_goes_on(program: Program) -> None:
    async with program.up() as (process, _):
        (valkey,) = [one for one in program.processes() if one.name == "valkey-server"]
        os.kill(valkey.pid, SIGKILL)
        _, err = await process.communicate()
        assert process.returncode == 2
        said = [line for line in err.decode().splitlines() if not line.startswith("{")]
        assert len(said) == 1
        assert said[0].startswith("arqsvc: Valkey ended with exit code")
    await until(lambda: not program.processes())
    async with program.up():
        assert (await program.run("jobs", "list"))[0] == 0


class BreakingProxy:
    """A way to Redis whose connections break, a number of times, at requests that hold a word."""

    def __init__(self, path: str, word: bytes, times: int) -> None:
        self._path, self._word, self.times = path, word, times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until an end of it closes, or it breaks."""
        server_reader, server_writer = await asyncio.open_unix_connection(self._path)

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if self.times and self._word in data:
                    self.times -= 1
                    break
                target.write(data)
            for each in (writer, server_writer):
                each.close()

        await asyncio.wait(
            [asyncio.ensure_future(carry(reader, server_writer)), asyncio.ensure_future(carry(server_reader, writer))]
        )


async def test_claims_that_break_off_cost_no_slot(api: Service) -> None:
    assert api.settings.redis_url
    path = api.settings.redis_url.get_secret_value().removeprefix("unix://").partition("?")[0]
    proxy = BreakingProxy(path, b"BZMPOP\r\n", 2)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = SecretStr(f"redis://127.0.0.1:{port}")
        async with worker_process(api.settings.model_copy(update={"redis_url": url, "concurrency": 2})):
            jobs = [(await api.client.submit("test.say", {"text": str(number)}))["id"] for number in range(4)]
            assert [(await api.client.result(job))["state"] for job in jobs] == ["succeeded"] * 4
    assert proxy.times == 0
