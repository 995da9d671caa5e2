"""`arqsvc up`: everything in one terminal, nothing left behind, nothing lost."""

import json
import os
import stat
from signal import SIGINT, SIGKILL, SIGTERM

import httpx
import pytest

from tests.cli.program import Program
from tests.servers import ROOT
from tests.waiting import until


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_it_serves_and_ends_in_order_with_nothing_left(program: Program, signal: int) -> None:
    async with program.up() as (process, address):
        key = json.loads((program.state / "client.json").read_text())["api_key"]
        async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
            answer = await http.get("/api/v1/jobs", headers={"X-API-Key": key})
            assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})
        assert stat.S_IMODE((program.state / "client.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(program.state.stat().st_mode) == 0o700
        process.send_signal(signal)
        out, err = await process.communicate()
        assert (process.returncode, b"Traceback" in out + err) == (0, False)
    await until(lambda: not program.processes())


async def test_a_running_job_ends_before_the_service_does(program: Program) -> None:
    async with program.up() as (process, _):
        demo = await program.start("demo")
        assert demo.stderr
        async for line in demo.stderr:
            if b"codon analysis" in line:
                break
        process.send_signal(SIGTERM)
        _, err = await process.communicate()
        assert (process.returncode, b"Traceback" in err, b"heartbeat failed" in err) == (0, False, False)
        demo.kill()  # it would wait for a minute for the service to come back
        await demo.communicate()
    async with program.up():
        (job,) = [json.loads(line) for line in (await program.run("jobs", "list", "--json"))[1].splitlines()]
        assert (job["state"], job["attempt"]) == ("succeeded", 1)


SLOW = {
    "__init__.py": "",
    "params.py": """from arqsvc.jobs.declare import Params, Result
class Slept(Result):
    pass
class Sleep(Params, kind="slow.sleep", result=Slept, queue="slow"):
    pass
""",
    "jobs.py": """import asyncio
from arqsvc.jobs.declare import job
from slow.params import Sleep, Slept
@job(Sleep)
async def sleep(ctx, params):
    await asyncio.sleep(3600)
    return Slept()
""",
}


async def test_a_second_signal_ends_it_at_once_and_the_job_goes_back_to_its_queue(program: Program) -> None:
    (program.home / "slow").mkdir()
    for name, text in SLOW.items():
        (program.home / "slow" / name).write_text(text)
    environ = {"ARQSVC_FAMILIES": "slow", "PYTHONPATH": f"{ROOT}{os.pathsep}{program.home}"}
    async with program.up(**environ, ARQSVC_DRAIN_S="600") as (process, address):
        key = json.loads((program.state / "client.json").read_text())["api_key"]
        async with httpx.AsyncClient(base_url=address, headers={"X-API-Key": key}, trust_env=False) as http:
            job = (await http.post("/api/v1/jobs/slow.sleep", json={"params": {}})).json()["id"]
            await until(lambda: is_in(http, job, "running"))
        process.send_signal(SIGINT)
        assert process.stdout
        async for line in process.stdout:
            if b"Ctrl-C again" in line:
                break
        process.send_signal(SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, b"Traceback" in err) == (0, False)
    async with program.up(**environ, ARQSVC_DRAIN_S="0") as (_, address):
        async with httpx.AsyncClient(base_url=address, headers={"X-API-Key": key}, trust_env=False) as http:
            await until(lambda: is_in(http, job, "running"))  # again
            attempts = (await http.get(f"/api/v1/jobs/{job}/attempts")).json()["items"]
        assert "interrupted" in [attempt["outcome"] for attempt in attempts]


async def is_in(http: httpx.AsyncClient, job: str, state: str) -> bool:
    return bool((await http.get(f"/api/v1/jobs/{job}")).json()["state"] == state)


async def test_a_worker_that_is_killed_is_replaced(program: Program) -> None:
    def workers() -> set[int]:
        found = [one for one in program.processes() if one.words[-2:] == ["arqsvc", "worker"]]
        return {one.pid for one in found if "--signal" not in one.words}  # which is its guard

    async with program.up():
        await until(lambda: len(workers()) == 1)
        (first,) = workers()
        os.kill(first, SIGKILL)
        await until(lambda: bool(workers() - {first}))
        assert (await program.run("demo", "--out", "results"))[0] == 0


async def test_the_printed_link_logs_a_browser_in_once(program: Program) -> None:
    async with program.up() as (process, address):
        assert process.stdout
        link = (await process.stdout.readline()).decode().split(": ")[1].strip()
        page, _, token = link.partition("#t=")
        assert page == f"{address}/login"
        async with httpx.AsyncClient(base_url=f"{address}/api/v1", trust_env=False) as browser:
            assert (await browser.post("/session", json={"token": token})).status_code == 200
            assert (await browser.get("/jobs")).status_code == 200
        async with httpx.AsyncClient(base_url=f"{address}/api/v1", trust_env=False) as other:
            assert (await other.post("/session", json={"token": token})).status_code == 401


async def test_a_second_one_on_the_same_state_says_so_in_one_line(program: Program) -> None:
    async with program.up() as (process, _):
        code, out, err = await program.run("up", "--port", "0")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"process {process.pid}" in err
    assert str(program.state) in err


async def test_a_port_that_is_taken_is_said_in_one_line(program: Program) -> None:
    async with program.up() as (_, address):
        port = address.rpartition(":")[2]
        code, out, err = await program.run("up", "--port", port, "--state-dir", program.home / "other")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert port in err


async def test_a_killed_one_leaves_no_process_and_the_next_has_all_jobs(program: Program) -> None:
    async with program.up() as (process, _):
        for _ in range(3):
            file = await _upload(program)
            code, out, _ = await program.run("jobs", "submit", "genomes.analyze", "-p", f"file_id={file}")
            assert code == 0, out
        process.send_signal(SIGKILL)
        await process.communicate()
    await until(lambda: not program.processes())
    async with program.up():
        _, out, _ = await program.run("jobs", "list", "--json")
        jobs = [json.loads(line) for line in out.splitlines()]
        assert len(jobs) == 3
        for job in jobs:
            code, out, _ = await program.run("jobs", "watch", job["id"])
            assert (code, "succeeded" in out) == (0, True)


async def _upload(program: Program) -> str:
    instance = json.loads((program.state / "client.json").read_text())
    headers = {"X-API-Key": instance["api_key"]}
    async with httpx.AsyncClient(base_url=instance["url"], headers=headers, trust_env=False) as http:
        answer = await http.post("/api/v1/files?name=tiny.gb", content=TINY)
    return str(answer.json()["id"])


TINY = b"""LOCUS       TINY                      12 bp    DNA     linear   BCT 01-JAN-2026
DEFINITION  Tiny.
ACCESSION   TINY
VERSION     TINY.1
FEATURES             Location/Qualifiers
     CDS             1..12
                     /locus_tag="t1"
ORIGIN
        1 atgaaaaaat aa
//
"""


async def test_each_url_takes_the_place_of_one_embedded_server(
    program: Program, redis_url: str, empty_database_url: str
) -> None:
    async with program.up(ARQSVC_REDIS_URL=redis_url):
        assert not (program.state / "redis").exists()
        assert (program.state / "postgres").exists()
    other = Program(program.home / "other")
    other.home.mkdir()
    async with other.up(ARQSVC_DATABASE_URL=empty_database_url, ARQSVC_REDIS_URL=redis_url):
        assert not (other.state / "postgres").exists()
        assert (await other.run("jobs", "list"))[0] == 0


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ARQSVC_HEARTBEAT_S", "often", "ARQSVC_HEARTBEAT_S"),
        ("ARQSVC_DATABASE_URL", "mysql://u:secret@h/d", "postgresql://"),
        ("ARQSVC_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/d", "127.0.0.1:1"),
        ("ARQSVC_REDIS_URL", "redis://:secret@127.0.0.1:1", "Redis does not answer"),
        ("ARQSVC_STATE_DIR", "/proc/nothing", "/proc/nothing"),
    ],
)
async def test_a_wrong_setting_stops_the_start_with_one_line_and_no_secret(
    program: Program, variable: str, value: str, said: str
) -> None:
    code, out, err = await program.run("up", "--port", "0", **{variable: value})
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "secret" not in err
    await until(lambda: not program.processes())
