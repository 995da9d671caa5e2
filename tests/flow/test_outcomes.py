"""One test a row of the outcome table: what a coroutine does, and what becomes of its job."""

from tests.flow.conftest import Service


async def test_a_job_that_returns_has_succeeded(service: Service) -> None:
    job = await service.ended("test.say", {"text": "hello"})
    assert (job["state"], job["result"], job["error"]) == ("succeeded", {"text": "hello"}, None)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["succeeded"]
    assert [file["name"] for file in job["files"]] == ["said.txt"]


async def test_a_retryable_error_is_tried_again(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "retryable", "times": 2})
    assert (job["state"], job["result"]) == ("succeeded", {"text": "attempt 3"})
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "failed", "succeeded"]


async def test_a_bug_is_tried_again_and_says_only_that_it_is_one(service: Service) -> None:
    job = await service.ended("test.fail", {"how": "bug"})
    assert (job["state"], job["reason"], job["error"]["code"]) == ("failed", "internal", "internal")
    assert len(job["attempts"]) == job["tries"] == 3
    assert "secret" not in str(job)
