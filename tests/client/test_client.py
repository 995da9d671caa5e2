"""What Flask, Streamlit and notebook programs import."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arqsvc import contract
from arqsvc.client import ApiError, AsyncClient, AsyncJob, Client, JobError, wire
from arqsvc.errors import CannotStart
from tests.flow.kinds import Fail, Said, Say, Wait
from tests.service import Service
from tests.waiting import pids_in, until

HEAVY = {"tortoise", "starlette", "redis", "arq", "asyncpg", "uvicorn", "numpy", "Bio", "IPython"}


def test_it_imports_httpx_and_pydantic_and_nothing_of_the_server() -> None:
    code = "import sys, arqsvc.client; print(*{name.split('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"httpx", "pydantic"} <= set(out.split())
    assert not HEAVY & set(out.split())


async def test_a_program_without_an_event_loop(service: Service, tmp_path: Path) -> None:
    def program() -> None:
        with Client(service.client.url, service.key) as client:
            job = client.submit(Say(text="hallo"), tags={"plate": "7"})
            said: Said = job.result(timeout=20)
            assert said.text == "hallo"
            (path,) = job.download(tmp_path / "out")
            assert path.read_text() == "hallo"
            assert [event.data["state"] for event in job.watch()] == ["queued", "running", "succeeded"]
            for event in client.job(job.id).watch():
                assert event.data["state"] == "queued"
                break  # its stream is closed, and not when somebody collects it
            assert client.job(job.id).show().tags == {"plate": "7"}
            assert client.jobs(kind="test.say")[0].id == job.show().id
            assert [one.text for one in client.map(Say(text=str(number)) for number in range(5))] == list("01234")
            results = client.map([("test.unserved", {})], tags={"at": "once"})
            (mapped,) = client.jobs(kind="test.unserved")
            client.job(mapped.id).cancel()
            with pytest.raises(JobError, match="was cancelled"):
                next(results)
            with pytest.raises(JobError, match="the file is empty") as failed:
                client.submit("test.fail", {"how": "failed"}).result()
            assert (failed.value.facts["code"], failed.value.job.state) == ("bad_input", "failed")
            with pytest.raises(ApiError, match="There is no kind of job"):
                client.submit("test.nothing", {})
            text = tmp_path / "text"
            text.write_text("read me")
            assert client.submit("test.read", {"file_id": text}).result() == {"text": "read me"}
            later = client.submit("test.say", {"text": "x"}, run_at=datetime.now(UTC) + timedelta(days=1))
            assert later.show().state == "scheduled"

    await asyncio.to_thread(program)


async def test_a_program_with_one(service: Service, tmp_path: Path) -> None:
    async with AsyncClient(service.client.url, service.key) as client:
        job = await client.submit(Wait(folder=tmp_path))
        await pids_in(tmp_path)
        with pytest.raises(TimeoutError):
            await job.result(timeout=0.05)
        await job.cancel("no need")
        with pytest.raises(JobError, match="The job was cancelled \\(no need\\)"):
            await job.result()
        results = client.map([Say(text="a"), Fail(how="failed"), Say(text="b")])
        assert (await anext(results)).text == "a"
        with pytest.raises(JobError):
            await anext(results)
        once = [(await client.submit("test.say", {"text": "x"}, idempotency_key="k")).id for _ in range(2)]
        assert once[0] == once[1]


async def test_more_jobs_are_awaited_than_requests_have_connections(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "KEPT", 2)
    async with AsyncClient(api.client.url, api.key) as client:
        jobs = await client.submit_all(("test.unserved", {}) for _ in range(8))
        results = [asyncio.ensure_future(job.result()) for job in jobs]
        await until(lambda: api.hub.streams == 8)
        assert {job.state for job in await asyncio.wait_for(_shown(jobs), 20)} == {"queued"}
        await api.client.purge("unserved")
        for result in results:
            with pytest.raises(JobError):
                await result


async def _shown(jobs: list[AsyncJob[Any]]) -> list[contract.Job]:
    asked = [asyncio.ensure_future(job.show()) for job in jobs]
    return [await each for each in asked]


async def test_a_deleted_job_has_no_result(api: Service) -> None:
    async with AsyncClient(api.client.url, api.key) as client:
        job = await client.submit("test.say", {"text": "x"})
        await job.cancel()
        await client.wire.request("DELETE", f"/jobs/{job.id}")
        with pytest.raises(ApiError, match="no job"):
            await job.result()


def test_an_address_and_a_key_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARQSVC_URL", raising=False)
    with pytest.raises(CannotStart, match="ARQSVC_URL and ARQSVC_API_KEY"):
        Client()
