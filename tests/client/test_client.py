"""What Flask, Streamlit and notebook programs import."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arqsvc import contract
from arqsvc.client import ApiError, AsyncClient, AsyncJob, Client, JobError, jobs, wire
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
            assert [each.id for each in client.jobs(kind="test.say")] == [job.show().id]
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
        with pytest.raises(
            TimeoutError, match=f"test.wait {job.id} has not ended within 0.05 s: it is running, at 10%: "
        ):
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


async def test_a_job_that_is_late_says_why_it_waits(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncClient(api.client.url, api.key) as client:
        job = await client.submit("test.unserved", {})
        late = f"test.unserved {job.id} has not ended within 0.05 s: it is queued. No worker serves the queue unserved"
        with pytest.raises(TimeoutError, match=late):
            await job.result(timeout=0.05)
        monkeypatch.setattr(jobs, "LOOK_S", 0.0)
        with pytest.raises(TimeoutError, match=f"{job.id} .* does not say how it stands"):
            await job.result(timeout=0.05)


async def test_a_job_is_tried_again_and_done_anew(service: Service, tmp_path: Path) -> None:
    (text := tmp_path / "text").write_text("read me")
    folder = tmp_path / "none"

    def program() -> None:
        with Client(service.client.url, service.key) as client:
            failed = client.submit(Fail(how="failed"), tags={"plate": "7"})
            for tries in (1, 2):
                with pytest.raises(JobError, match="the file is empty"):
                    failed.result(timeout=20)
                assert len(failed.show().attempts) == tries
                if tries == 1:
                    assert str(failed.retry().id) == failed.id
            with pytest.raises(JobError, match="the file is empty"):
                failed.download(folder)
            again = failed.rerun({"times": 0}, priority=7)
            assert again.result(timeout=20) == Said(text="attempt 1")
            shown = again.show()
            assert (str(shown.parent_id), shown.tags, shown.priority) == (failed.id, {"plate": "7"}, 7)
            read = client.submit("test.read", {"file_id": text}).rerun({"file_id": text})
            assert read.result(timeout=20) == {"text": "read me"}
            waits = client.submit("test.unserved", {})
            assert waits.cancel("no need", force=True).state == "cancelled"
            with pytest.raises(JobError, match="no need"):
                waits.download(folder)

    await asyncio.to_thread(program)
    assert not folder.exists()


async def test_jobs_are_found_page_by_page(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAGE", 2)
    asked, ask = [], wire.Wire._json

    async def asking(self: wire.Wire, *words: str, **request: Any) -> dict[str, Any]:
        asked.append(words)
        return await ask(self, *words, **request)

    monkeypatch.setattr(wire.Wire, "_json", asking)

    def program() -> None:
        with Client(api.client.url, api.key) as client:
            ids = sorted(
                job.id for job in client.submit_all((("test.unserved", {}) for _ in range(5)), tags={"run": "1"})
            )
            client.submit("test.unserved", {}, tags={"run": "2"})
            client.job(ids[0]).cancel()

            def found(**wanted: Any) -> list[str]:
                return [str(job.id) for job in client.jobs(**wanted)]

            assert found(tags={"run": 1}) == ids[::-1]
            assert found(tags={"run": "1"}, limit=3) == ids[:1:-1]
            assert found(state=["cancelled", "failed"], kind=["test.unserved"]) == ids[:1]
            assert found(state="queued,scheduled", tags={"run": "1"}, sort="created") == ids[1:]
            assert found(tags={"run": "1"}, created_after=datetime.now(UTC) + timedelta(days=1)) == []
            assert found(limit=0) == []
            with pytest.raises(ApiError, match="is not a state"):
                found(state=[])
            asked.clear()
            first = next(rest := client.jobs())
            assert (first.tags, len(asked)) == ({"run": "2"}, 1)
            assert (len([*rest]), len(asked)) == (5, 3)

    await asyncio.to_thread(program)


async def test_more_jobs_are_awaited_than_requests_have_connections(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "KEPT", 2)
    async with AsyncClient(api.client.url, api.key) as client:
        submitted = await client.submit_all(("test.unserved", {}) for _ in range(8))
        results = [asyncio.ensure_future(job.result()) for job in submitted]
        await until(lambda: api.hub.streams == 8)
        assert {job.state for job in await asyncio.wait_for(_shown(submitted), 20)} == {"queued"}
        await api.client.purge("unserved")
        for result in results:
            with pytest.raises(JobError):
                await result


async def _shown(submitted: list[AsyncJob[Any]]) -> list[contract.Job]:
    asked = [asyncio.ensure_future(job.show()) for job in submitted]
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
