"""Jobs that ask for the same at the same time share one run, on whichever worker; each keeps a life of its own."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any
from uuid import UUID

from arqsvc.jobs import ledger
from arqsvc.jobs.lease import WorkerRecord
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.record import JobRecord, State
from tests.flow.test_events import by_sse, steps
from tests.flow.test_outages import cut_connections
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import until


async def submitted(service: Service, folder: Path, count: int, **params: Any) -> list[str]:
    """Submit jobs that share a run, and return them once all are in it."""
    jobs = [(await service.client.submit("test.share", {"folder": str(folder), **params}))["id"] for _ in range(count)]
    await until(lambda: all_running(jobs))
    await until(lambda: runs(folder) > 0)  # the ledger has it before the work begins
    return jobs


async def all_running(jobs: list[str], attempt: int = 1) -> bool:
    rows = await JobRecord.filter(id__in=jobs)
    running = all(row.state == State.RUNNING and row.attempt >= attempt for row in rows)
    return running and len({row.worker for row in rows}) == 1


def runs(folder: Path) -> int:
    return len(list(folder.glob("run-*")))


async def ended(service: Service, jobs: list[str]) -> list[dict[str, Any]]:
    return [await service.client.result(job) for job in jobs]


async def test_jobs_of_one_key_share_one_run_and_each_has_its_result_its_file_and_its_progress(
    service: Service, tmp_path: Path
) -> None:
    jobs = await submitted(service, tmp_path, 6)  # more than the worker has slots
    (tmp_path / "go").touch()
    done = await ended(service, jobs)
    assert runs(tmp_path) == 1
    assert {job["state"] for job in done} == {"succeeded"}
    assert [job["result"] for job in done] == [{"text": "shared"}] * 6
    assert len({file["id"] for job in done for file in job["files"]}) == 6
    for job in jobs:
        assert steps(await by_sse(service, job)) == ["share"]


async def test_two_workers_share_one_run(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings), worker_process(api.settings):

        async def both() -> bool:
            return await WorkerRecord.all().count() == 2

        await until(both)
        jobs = await submitted(api, tmp_path, 8)
        (tmp_path / "go").touch()
        assert {job["state"] for job in await ended(api, jobs)} == {"succeeded"}
    assert runs(tmp_path) == 1


async def test_cancelling_one_lets_the_others_go_on_undisturbed(service: Service, tmp_path: Path) -> None:
    first, *others = await submitted(service, tmp_path, 3)
    await service.client.cancel(first)
    assert (await service.client.result(first))["state"] == "cancelled"
    (tmp_path / "go").touch()
    done = await ended(service, others)
    assert ([job["state"] for job in done], runs(tmp_path)) == (["succeeded"] * 2, 1)
    assert (await service.client.job(first))["files"] == []


async def test_cancelling_all_ends_the_run(service: Service, tmp_path: Path) -> None:
    jobs = await submitted(service, tmp_path, 2)
    for job in jobs:
        await service.client.cancel(job)
    assert [job["state"] for job in await ended(service, jobs)] == ["cancelled"] * 2
    await until(lambda: not list(service.settings.scratch.glob("*/*")))


async def test_one_that_was_cancelled_may_come_back_into_the_run(service: Service, tmp_path: Path) -> None:
    jobs = await submitted(service, tmp_path, 2)
    await service.client.cancel(jobs[0])
    await service.client.result(jobs[0])
    await service.client.retry(jobs[0])
    await until(lambda: all_running(jobs))
    (tmp_path / "go").touch()
    assert [job["state"] for job in await ended(service, jobs)] == ["succeeded"] * 2
    assert runs(tmp_path) == 1


async def test_an_error_is_said_to_all_and_its_cause_asked_for_once(service: Service, tmp_path: Path) -> None:
    jobs = await submitted(service, tmp_path, 3, how="fail")
    (tmp_path / "go").touch()
    done = await ended(service, jobs)
    assert {job["error"]["detail"] for job in done} == {"nobody can use this"}
    assert runs(tmp_path) == 1


async def test_a_throttled_run_comes_back_as_one_and_costs_no_try(service: Service, tmp_path: Path) -> None:
    jobs = await submitted(service, tmp_path, 3, how="throttle")
    (tmp_path / "go").touch()

    async def throttled() -> bool:
        rows = await JobRecord.filter(id__in=jobs)
        return {(row.state, row.reason) for row in rows} == {(State.SCHEDULED, "throttled")}

    await until(throttled)
    (tmp_path / "go").unlink()
    await until(lambda: all_running(jobs, attempt=2))
    (tmp_path / "go").touch()
    done = await ended(service, jobs)
    assert runs(tmp_path) == 2
    for job in done:
        assert (job["state"], [attempt["outcome"] for attempt in job["attempts"]]) == (
            "succeeded",
            ["throttled", "succeeded"],
        )
    assert {row.failures for row in await JobRecord.filter(id__in=jobs)} == {0}


async def test_a_killed_worker_gives_all_of_a_run_back(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings) as first:
        jobs = await submitted(api, tmp_path, 3)
        os.kill(first.pid, SIGKILL)
        await first.wait()
    async with worker_process(api.settings):
        await until(lambda: all_running(jobs, attempt=2))
        (tmp_path / "go").touch()
        done = await ended(api, jobs)
    assert [[attempt["outcome"] for attempt in job["attempts"]] for job in done] == [["lost", "succeeded"]] * 3
    assert runs(tmp_path) == 2


async def test_one_given_to_a_run_that_has_just_ended_gets_a_run_of_its_own(service: Service, tmp_path: Path) -> None:
    await service.ended("test.say", {"text": "the worker is there"})
    job = await service.client.submit("test.unserved", {})
    changed = {"queue": "test", "kind": "test.share", "shared": str(tmp_path), "params": {"folder": str(tmp_path)}}
    await JobRecord.filter(id=job["id"]).update(**changed)
    (worker,) = await WorkerRecord.all()
    (tmp_path / "go").touch()
    assert await ledger.start([(UUID(job["id"]), 1)], worker.id, 20.0)
    done = await service.client.result(job["id"])
    assert [attempt["outcome"] for attempt in done["attempts"]] == ["interrupted", "succeeded"]


async def test_what_does_not_run_at_the_same_time_runs_anew(service: Service, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    for _ in range(2):
        await service.ended("test.share", {"folder": str(tmp_path)})
    assert runs(tmp_path) == 2


async def test_a_late_end_of_a_member_changes_nothing(service: Service, tmp_path: Path) -> None:
    first, second = await submitted(service, tmp_path, 2)
    row = await JobRecord.get(id=first)
    assert await ledger.finish([Ended(row.id, row.attempt, Ending("lost", State.QUEUED))])
    (tmp_path / "go").touch()
    assert (await service.client.result(second))["state"] == "succeeded"
    assert (await service.client.result(first))["state"] == "succeeded"


async def test_the_run_of_a_dead_worker_is_shared_with_nobody(api: Service, tmp_path: Path) -> None:
    jobs = [(await api.client.submit("test.share", {"folder": str(tmp_path)}))["id"] for _ in range(3)]
    now = datetime.now(UTC)
    for worker in ("dead", "alive", "other"):
        row: dict[str, Any] = {
            "host": "h",
            "pid": 1,
            "queues": ["test"],
            "concurrency": 1,
            "started_at": now,
            "heartbeat_at": now,
        }
        await WorkerRecord.create(id=worker, **row)
    (first,) = await ledger.start([(UUID(jobs[0]), 1)], "dead", 20.0)
    await WorkerRecord.filter(id="dead").update(heartbeat_at=now - timedelta(seconds=60))
    (second,) = await ledger.start([(UUID(jobs[1]), 1)], "alive", 20.0)
    (third,) = await ledger.start([(UUID(jobs[2]), 1)], "other", 20.0)
    assert (first.worker, second.worker, third.worker) == ("dead", "alive", "alive")


async def test_a_key_may_be_of_any_length(api: Service, tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["x" * 100] * 4)
    job = await api.client.submit("test.share", {"folder": str(folder)})
    assert len((await JobRecord.get(id=job["id"])).shared or "") == 64


async def test_the_end_of_a_run_survives_connections_that_break(service: Service, tmp_path: Path) -> None:
    jobs = await submitted(service, tmp_path, 6)
    await cut_connections(service)
    (tmp_path / "go").touch()
    await cut_connections(service)
    done = await ended(service, jobs)
    assert {job["state"] for job in done} == {"succeeded"}
    assert runs(tmp_path) == 1
