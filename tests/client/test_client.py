"""What Flask, Streamlit and notebook programs import."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from arqsvc.client import ApiError, AsyncClient, Client, JobError
from arqsvc.errors import CannotStart
from tests.flow.kinds import Fail, Said, Say, Wait
from tests.service import Service
from tests.waiting import pids_in

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
            assert client.job(job.id).show().tags == {"plate": "7"}
            assert client.jobs(kind="test.say")[0].id == job.show().id
            assert [one.text for one in client.map(Say(text=str(number)) for number in range(5))] == list("01234")
            with pytest.raises(JobError, match="the file is empty") as failed:
                client.submit("test.fail", {"how": "failed"}).result()
            assert (failed.value.facts["code"], failed.value.job.state) == ("bad_input", "failed")
            with pytest.raises(ApiError, match="There is no kind of job"):
                client.submit("test.nothing", {})
            text = tmp_path / "text"
            text.write_text("read me")
            assert client.submit("test.read", {"file_id": text}).result() == {"text": "read me"}

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


def test_an_address_and_a_key_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARQSVC_URL", raising=False)
    with pytest.raises(CannotStart, match="ARQSVC_URL and ARQSVC_API_KEY"):
        Client()
