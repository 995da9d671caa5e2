"""`arqsvc health`: exit code 0 for what works, 1 with a line for what does not; for the health checks of containers."""

import socket

import pytest

from arqsvc.infra.db import connect
from tests.cli.program import Program
from tests.service import Service
from tests.waiting import until

BEAT = """INSERT INTO worker (id, host, pid, queues, concurrency, started_at, heartbeat_at)
VALUES ('w', $1, 1, '[]', 1, now(), now() - make_interval(secs => $2))"""


@pytest.mark.parametrize(
    ("of_this_host", "age_s", "code"),
    [(True, 5.0, 0), (True, 25.0, 1), (False, 5.0, 1)],
    ids=["beats", "late", "other"],
)
async def test_a_worker_is_healthy_while_one_of_this_host_beats(
    program: Program, database_url: str, of_this_host: bool, age_s: float, code: int
) -> None:
    connection = await connect(database_url)
    await connection.execute(BEAT, socket.gethostname() if of_this_host else "elsewhere", age_s)
    await connection.close()
    said = f"{1 - code} worker(s) of {socket.gethostname()} with a heartbeat within 20 s.\n"
    assert await program.run("health", "--worker", ARQSVC_DATABASE_URL=database_url) == (code, said, "")


async def test_a_service_without_workers_is_not_healthy(program: Program, api: Service) -> None:
    code, out, err = await program.run("health", ARQSVC_URL=f"{api.client.url}/")
    assert (code, '"redis":"ok"' in out, "no live worker" in out, err) == (1, True, True, "")


async def test_a_service_in_a_terminal_is_found_by_its_state_folder(program: Program) -> None:
    async with program.up() as (_, url):

        async def ready() -> bool:  # once its worker beats
            return (await program.run("health"))[0] == 0

        await until(ready)
        code, out, _ = await program.run("health", ARQSVC_PORT="1")
        assert (code, out) == (1, "http://127.0.0.1:1/readyz does not answer: ConnectError.\n")
    code, out, _ = await program.run("health", "--state-dir", program.state)
    assert (code, out) == (1, f"{url}/readyz does not answer: ConnectError.\n")


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        ([], {"ARQSVC_PORT": "1"}, "http://127.0.0.1:1/readyz does not answer: ConnectError.\n"),
        (["--worker"], {}, "ARQSVC_DATABASE_URL is not set"),
        (["--worker"], {"ARQSVC_DATABASE_URL": "postgresql://u:geheim@127.0.0.1:1/d"}, "does not answer"),
    ],
    ids=["no API", "no URL", "no database"],
)
async def test_it_says_what_is_missing(program: Program, words: list[str], environ: dict[str, str], said: str) -> None:
    code, out, err = await program.run("health", *words, **environ)
    assert (code, said in out, "geheim" in out, out.count("\n"), err) == (1, True, False, 1, "")


async def test_a_database_without_our_tables_has_no_worker(program: Program, empty_database_url: str) -> None:
    code, out, err = await program.run("health", "--worker", ARQSVC_DATABASE_URL=empty_database_url)
    assert (code, "UndefinedTableError" in out, err) == (1, True, "")
