"""Jobs that need others: blocked until these have succeeded, and ended with them otherwise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from arqsvc.client import ApiError
from arqsvc.jobs import ledger
from arqsvc.jobs.record import JobRecord, NeedRecord, State
from tests.flow.test_events import by_sse, states
from tests.service import Service
from tests.waiting import until


def ids(job: dict[str, object]) -> dict[str, str]:
    """Return the ids of what a job needs, by kind."""
    needs = job["needs"]
    assert isinstance(needs, list)
    return {need["kind"]: need["id"] for need in needs}


async def test_a_job_begins_once_all_it_needs_has_succeeded(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow", {"folder": str(tmp_path)})
    assert (job["state"], sorted(ids(job))) == ("blocked", ["test.say", "test.share"])
    said = await service.client.result(ids(job)["test.say"])
    assert said["state"] == "succeeded"
    assert (await service.client.job(job["id"]))["state"] == "blocked"
    (tmp_path / "go").touch()
    ended = await service.client.result(job["id"])
    assert (ended["state"], ended["result"]) == ("succeeded", {"text": "needed shared"})
    assert [need["state"] for need in ended["needs"]] == ["succeeded"] * 2
    assert states(await by_sse(service, job["id"])) == ["blocked", "queued", "running", "succeeded"]


async def test_what_fails_ends_all_that_needs_it_with_its_error(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow_on", {"folder": str(tmp_path), "how": "fail"})
    (tmp_path / "go").touch()
    ended = await service.client.result(job["id"])
    assert (ended["state"], ended["reason"]) == ("failed", "needed_failed")
    assert ended["error"]["detail"] == "nobody can use this"
    assert ended["attempts"] == []
    assert states(await by_sse(service, job["id"])) == ["blocked", "failed"]


async def test_what_needs_a_job_that_is_deleted_is_not_done_again_but_anew(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow_on", {"folder": str(tmp_path), "how": "fail"})
    (tmp_path / "go").touch()
    await service.client.result(job["id"])
    middle = ids(job)["test.follow"]
    first = ids(await service.client.job(middle))["test.share"]
    for gone, lacking in ((first, middle), (middle, job["id"])):
        assert (await service.http.delete(f"/jobs/{gone}")).status_code == 204
        with pytest.raises(ApiError, match=f"What job {lacking} needed is deleted.*Use rerun on job {job['id']}"):
            await service.client.retry(job["id"])
    assert (await service.client.job(job["id"]))["state"] == "failed"

    await ledger.retry(UUID(job["id"]))  # as if it was deleted at this very moment
    await JobRecord.filter(id=job["id"]).update(queued_at=datetime.now(UTC) - timedelta(minutes=1))
    ended = await service.client.result(job["id"])
    assert (ended["state"], ended["error"]["reason"], ended["attempt"]) == ("failed", "needed_deleted", 1)
    assert (await service.http.delete(f"/jobs/{job['id']}")).status_code == 204
    assert await NeedRecord.filter(needed_id__in=[first, middle]).count() == 0


async def test_cancelling_what_is_needed_cancels_what_needs_it(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow", {"folder": str(tmp_path)})
    await service.client.cancel(ids(job)["test.share"])
    ended = await service.client.result(job["id"])
    assert (ended["state"], ended["reason"]) == ("cancelled", "needed_cancelled")


async def test_cancelling_a_blocked_job_cancels_what_it_alone_needs(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow_on", {"folder": str(tmp_path)})
    middle = await service.client.job(ids(job)["test.follow"])
    needed = ids(middle)["test.share"]
    await service.client.cancel(job["id"])
    assert (await service.client.result(job["id"]))["reason"] == "cancelled_by_user"
    assert (await service.client.result(middle["id"]))["state"] == "cancelled"
    assert (await service.client.result(needed))["state"] == "cancelled"


async def test_what_another_still_waits_for_goes_on(service: Service, tmp_path: Path) -> None:
    first, second = [await service.client.submit("test.follow", {"folder": str(tmp_path)}) for _ in range(2)]
    shared = UUID(ids(second)["test.share"])
    await NeedRecord.filter(job_id=first["id"], needed_id=ids(first)["test.share"]).update(needed_id=shared)
    await service.client.cancel(first["id"])
    (tmp_path / "go").touch()
    assert (await service.client.result(second["id"]))["state"] == "succeeded"


async def test_what_fails_or_is_cancelled_takes_with_it_what_nobody_else_waits_for(
    service: Service, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("first", "second")}
    for folder in folders.values():
        folder.mkdir()
    job = await service.client.submit("test.follow_both", {name: str(folder) for name, folder in folders.items()})
    first, second = [need["id"] for need in job["needs"]]
    await service.client.cancel(first)
    assert (await service.client.result(job["id"]))["reason"] == "needed_cancelled"
    assert (await service.client.result(second))["state"] == "cancelled"


async def test_a_retry_waits_for_a_cancel_of_what_it_needs(api: Service, tmp_path: Path) -> None:
    job = await api.client.submit("test.follow_on", {"folder": str(tmp_path)})
    await api.client.cancel(job["id"])
    await JobRecord.filter(id=ids(job)["test.follow"]).update(
        state=State.RUNNING, cancel_requested_at=datetime.now(UTC)
    )
    with pytest.raises(ApiError, match="just being cancelled"):
        await api.client.retry(job["id"])


async def test_a_retry_begins_with_what_failed(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.follow", {"folder": str(tmp_path), "how": "fail"})
    (tmp_path / "go").touch()
    assert (await service.client.result(job["id"]))["state"] == "failed"
    await JobRecord.filter(id=ids(job)["test.share"]).update(params={"folder": str(tmp_path), "how": "succeed"})
    assert (await service.client.retry(job["id"]))["state"] == "blocked"
    ended = await service.client.result(job["id"])
    assert (ended["state"], ended["result"]) == ("succeeded", {"text": "needed shared"})


async def test_a_blocked_job_that_nobody_freed_is_found(service: Service, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    freed = await service.ended("test.follow", {"folder": str(tmp_path)})
    doomed = await service.ended("test.follow", {"folder": str(tmp_path), "how": "fail"})
    overlooked = [UUID(job["id"]) for job in (freed, doomed)]
    await JobRecord.filter(id__in=overlooked).update(state=State.BLOCKED, reason=None, error=None, finished_at=None)

    async def found() -> bool:
        rows = [await JobRecord.get(id=job) for job in overlooked]
        return [row.state for row in rows] == [State.SUCCEEDED, State.FAILED]

    await until(found)
    assert (await service.client.job(doomed["id"]))["error"]["detail"] == "nobody can use this"
