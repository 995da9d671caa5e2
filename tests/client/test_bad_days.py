"""What the client makes of a service that is busy, away for a moment, or cut off in the middle."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel

from arqsvc.client import ApiError, ArqsvcError, AsyncClient, CannotStart, JobError, Unreachable, answers
from tests.client.script import answer, scripted

BUSY = answer(429, {"detail": "too many", "status": 429, "code": "rate_limited"}, Retry_After="0")
AWAY = answer(502, b"<html>bad gateway")
LOST = b""
GONE = answer(404, {"detail": "There is no job x.", "status": 404})
JOB = "0197c9c4-0000-7000-8000-000000000001"


def told(number: int, state: str) -> bytes:
    return f"id: {number}\ndata: {json.dumps({'type': 'state', 'data': {'state': state}})}\n\n".encode()


def stream(*events: bytes, length: int | None = None) -> bytes:
    return answer(200, b"".join(events), length=length, Content_Type="text/event-stream")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "RECONNECT_S", 0.01)


class Maybe(BaseModel):
    """Parameters, one of which is something unless it is None."""

    kind: ClassVar[str] = "test.maybe"
    result: ClassVar[type[BaseModel]] = BaseModel

    text: str | None = "something"
    number: int = 1


async def test_a_submission_is_sent_again_with_one_key() -> None:
    async with scripted([BUSY, LOST, AWAY, answer(202, {"id": JOB})]) as script, AsyncClient(script.url, "k") as client:
        due = datetime(2027, 1, 1, tzinfo=UTC)
        job = await client.submit(Maybe(text=None), run_at=due, tags={"of": UUID(JOB), "in": Path("a")})
        assert job.id == JOB
        assert len({asked.headers["idempotency-key"] for asked in script.asked}) == 1
        assert [asked.json for asked in script.asked] == 4 * [
            {"params": {"text": None}, "run_at": "2027-01-01T00:00:00Z", "tags": {"of": JOB, "in": "a"}}
        ]
        await client.submit("test.say", {"text": "x"})
        await client.submit("test.say", {"text": "x"}, idempotency_key="mine")
        keys = [asked.headers["idempotency-key"] for asked in script.asked[-3:]]
        assert (len(set(keys)), keys[-1]) == (3, "mine")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (answer(500, {"detail": "a bug", "status": 500}), ApiError, "a bug"),
        (answer(507, {"detail": "full", "status": 507}), ApiError, "full"),
        (answer(429, {"detail": "tomorrow"}, Retry_After="86400"), ApiError, "tomorrow"),
    ],
)
async def test_what_will_not_pass_in_a_minute_is_told_at_once(given: bytes, error: Any, words: str) -> None:
    async with scripted([given]) as script, AsyncClient(script.url, "k") as client:
        with pytest.raises(error, match=words):
            await client.submit("test.say", {"text": "x"})
        assert len(script.asked) == 1


async def test_what_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "GIVE_UP_S", 0.05)
    async with scripted([LOST]) as script, AsyncClient(script.url, "k") as client:
        for ask in (client.submit("test.say", {}), client.job(JOB).result()):
            with pytest.raises(Unreachable, match="does not answer: RemoteProtocolError"):
                await ask
    async with AsyncClient("ftp://x", "k") as client:
        with pytest.raises(CannotStart, match="Check the address"):
            await client.submit("test.say", {})


def test_one_except_catches_all() -> None:
    assert all(issubclass(each, ArqsvcError) for each in (ApiError, JobError, CannotStart, Unreachable))


async def test_a_follower_waits_its_turn_and_goes_on_where_it_was() -> None:
    ended = {**_job("succeeded"), "result": {"text": "x"}}
    days = [BUSY, AWAY, stream(told(1, "queued"), length=999), BUSY, stream(told(2, "running")), LOST]
    days += [stream(told(3, "succeeded")), BUSY, answer(200, ended)]
    async with scripted(days) as script, AsyncClient(script.url, "k") as client:
        assert await client.job(JOB).result() == {"text": "x"}
        seen = [asked.headers.get("last-event-id") for asked in script.asked]
    assert seen == [None, None, None, "1", "1", "2", "2", None, None]


async def test_a_job_is_ended_at_once_where_that_is_asked_for() -> None:
    async with scripted([answer(202, _job("running"))]) as script, AsyncClient(script.url, "k") as client:
        await client.job(JOB).cancel()
        await client.job(JOB).cancel("hangs", force=True)
        asked = [each.json for each in script.asked]
        assert asked == [{"reason": None, "mode": "graceful"}, {"reason": "hangs", "mode": "force"}]


async def test_a_job_that_was_deleted_meanwhile_is_not_followed_for_ever() -> None:
    async with scripted([stream(told(1, "queued")), GONE]) as script, AsyncClient(script.url, "k") as client:
        with pytest.raises(ApiError, match="There is no job"):
            await client.job(JOB).result()
        assert len(script.asked) == 2


async def test_a_file_goes_on_where_it_broke_and_is_checked(tmp_path: Path) -> None:
    content = bytes(range(250)) * 40
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    told: dict[str, Any] = {"ETag": '"t"', "Repr_Digest": f"md5=:AA==:, sha-256=:{digest}:"}
    half = answer(200, content[:6000], length=len(content), **told)
    rest = answer(206, content[6000:], Content_Range=f"bytes 6000-9999/{len(content)}", **told)
    other = answer(206, content[5000:], Content_Range=f"bytes 5000-9999/{len(content)}", **told)
    path = tmp_path / "file"
    path.write_text("before")
    async with scripted([BUSY, half, LOST, rest]) as script, AsyncClient(script.url, "k") as client:
        await client.wire.download("f", path)
        assert path.read_bytes() == content
        ranges = [(asked.headers.get("range"), asked.headers.get("if-range")) for asked in script.asked]
        assert ranges == [(None, None), (None, None), ("bytes=6000-", '"t"'), ("bytes=6000-", '"t"')]
    async with scripted([half, other, answer(200, content, **told)]) as script, AsyncClient(script.url, "k") as client:
        await client.wire.download("f", path)
        assert (path.read_bytes(), len(script.asked)) == (content, 3)
    async with scripted([answer(200, b"another", **told)]) as script, AsyncClient(script.url, "k") as client:
        with pytest.raises(ApiError, match="came with the SHA-256"):
            await client.wire.download("f", path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == content


async def test_a_service_does_not_say_where_else_to_write(tmp_path: Path) -> None:
    file = {"id": JOB, "name": "../x", "size_bytes": 1, "sha256": "00", "media_type": "text/plain", "href": "/x"}
    evil = {**_job("succeeded"), "files": [{**file, "created_at": "2026-11-27T00:00:00Z", "job_id": JOB}]}
    async with scripted([answer(200, evil)]) as script, AsyncClient(script.url, "k") as client:
        with pytest.raises(ApiError, match="no name of a file"):
            await client.job(JOB).download(tmp_path)


def _job(state: str) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("reason", "result", "error", "progress", "parent_id", "submitted_by", "due_at", "started_at", "finished_at",
         "cancel_requested_at", "cancel_reason")
    )  # fmt: skip
    return {
        "id": JOB, "kind": "test.say", "state": state, "params": {}, "attempt": 1, "tries": 1, "queue": "test",
        "priority": 5, "tags": {}, "pinned": False, "created_at": "2026-11-27T00:00:00Z", "needs": [], "attempts": [],
        "files": [], **nothing,
    }  # fmt: skip
