"""Workers that are held up, stopped, cut off or killed: each job ends once, and who lost one changes nothing of it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from arqsvc.infra.guarded import Guarded
from arqsvc.infra.state import runtime_folder
from arqsvc.jobs import ledger
from arqsvc.jobs.lease import WorkerRecord
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from benchmarks.chaos.link import Direction, Link
from benchmarks.chaos.stage import valkey
from tests.flow import kinds, unlucky
from tests.flow.test_events import numbers
from tests.flow.test_outages import allow_connections
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import alive, pids_in, until

LATE = "the job is another's by now; nothing is recorded"


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Service]:
    """The API with the kinds that harm their worker too, without a worker."""
    async with open_service(settings, {**kinds.PARAMS, **unlucky.PARAMS}) as service:
        yield service


def logging_to(settings: Settings, file: Path) -> Settings:
    return settings.model_copy(update={"log_file": file})


def said(log: Path, message: str) -> int:
    """Count the lines of a log that hold a message."""
    return log.read_text().count(message) if log.exists() else 0


def unlucky_worker(settings: Settings) -> Any:
    return worker_process(settings, "tests.flow.unlucky")


async def beating(count: int, settings: Settings) -> None:
    """Return once so many workers have each said that they live for another two leases, by the database's clock."""
    since = [row.heartbeat_at for row in await WorkerRecord.all()]
    until_at = max(since, default=datetime.min.replace(tzinfo=UTC)) + timedelta(seconds=2 * settings.lease_s)

    async def all_beat() -> bool:
        rows = await WorkerRecord.all()
        return len(rows) == count and all(row.heartbeat_at > until_at for row in rows)

    await until(all_beat)


def outcomes(job: dict[str, Any]) -> list[str]:
    return [attempt["outcome"] for attempt in job["attempts"]]


async def test_a_worker_whose_event_loop_is_held_up_keeps_its_job(api: Service, tmp_path: Path) -> None:
    async with unlucky_worker(api.settings):
        job = await api.client.submit("test.block", {"folder": str(tmp_path)})
        await until((tmp_path / "began-1").exists)
        async with unlucky_worker(api.settings):
            await beating(2, api.settings)
            (tmp_path / "go-1").touch()
            job = await api.client.result(job["id"])
    assert (job["state"], outcomes(job)) == ("succeeded", ["succeeded"])
    assert not (tmp_path / "began-2").exists()


async def test_a_stopped_worker_that_continues_changes_nothing_any_more(api: Service, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []

    async def follow(job: str) -> None:
        events.extend([event async for event in api.client.follow(job)])

    log = tmp_path / "stopped.log"
    async with unlucky_worker(logging_to(api.settings, log)) as stopped, asyncio.TaskGroup() as group:
        job = await api.client.submit("test.block", {"folder": str(tmp_path)})
        group.create_task(follow(job["id"]))
        await until((tmp_path / "began-1").exists)
        os.kill(stopped.pid, SIGSTOP)
        async with unlucky_worker(api.settings):
            await until((tmp_path / "began-2").exists)
            before = await api.client.job(job["id"])
            (tmp_path / "go-1").touch()
            os.kill(stopped.pid, SIGCONT)
            await until(lambda: said(log, LATE) == 1)
            assert await api.client.job(job["id"]) == before
            assert before["progress"]["step"] == "attempt 2"
            (tmp_path / "go-2").touch()
            job = await api.client.result(job["id"])
        assert (await api.ended("test.say", {"text": "it works again"}))["state"] == "succeeded"
    assert (job["state"], job["result"], outcomes(job)) == ("succeeded", {"text": "attempt 2"}, ["lost", "succeeded"])
    assert [file["name"] for file in job["files"]] == ["2.txt"]
    assert numbers(events) == sorted(set(numbers(events)))
    assert events[-1]["data"]["state"] == "succeeded"


async def test_nobody_is_declared_dead_because_the_database_was_away_for_longer_than_a_lease(
    api: Service, tmp_path: Path
) -> None:
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    enough = 3 * api.settings.lease_s / api.settings.heartbeat_s
    async with worker_process(logging_to(api.settings, logs[0])), worker_process(logging_to(api.settings, logs[1])):
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        pids = await pids_in(tmp_path)
        await beating(2, api.settings)
        await allow_connections(api, allowed=False)
        await until(lambda: all(said(log, "heartbeat failed") > enough for log in logs))
        await allow_connections(api, allowed=True)
        await beating(2, api.settings)
        assert all(map(alive, pids))
        (tmp_path / "go").touch()
        job = await api.client.result(job["id"])
    assert (job["state"], outcomes(job)) == ("succeeded", ["succeeded"])
    assert not any(said(log, "job rescued") for log in logs)


async def test_a_redis_that_starts_again_empty_loses_no_job(settings: Settings, tmp_path: Path) -> None:
    state = tmp_path / "valkey"
    state.mkdir()
    with runtime_folder(state, None) as runtime:
        server = valkey(state, runtime)
        async with server.running():
            own = settings.model_copy(update={"redis_url": SecretStr(server.url), "concurrency": 1})
            async with open_service(own) as service, worker_process(own):
                running = await service.client.submit("test.wait", {"folder": str(tmp_path)})
                await pids_in(tmp_path)
                jobs = [await service.client.submit("test.say", {"text": str(number)}) for number in range(10)]
                async with server.away(SIGKILL):
                    await asyncio.to_thread(shutil.rmtree, state / "redis")
                    jobs.append(await service.client.submit("test.say", {"text": "while it is away"}))
                (tmp_path / "go").touch()
                ended = [await service.client.result(job["id"]) for job in (running, *jobs)]
    assert [(job["state"], outcomes(job)) for job in ended] == [("succeeded", ["succeeded"])] * 12


@asynccontextmanager
async def linked(api: Service, server: str) -> AsyncIterator[tuple[Link, Guarded]]:
    """Run a worker that reaches one of its servers, `database` or `redis`, through a link."""
    assert api.settings.database_url
    assert api.settings.redis_url
    url = urlsplit((api.settings.database_url if server == "database" else api.settings.redis_url).get_secret_value())
    folder = parse_qs(url.query).get("host", [""])[0]
    link = Link(Path(folder, ".s.PGSQL.5432") if server == "database" else Path(url.path))
    async with link.listening():
        through = {
            "database": f"postgres://arqsvc@127.0.0.1:{link.port}{url.path}?sslmode=disable",
            "redis": f"redis://127.0.0.1:{link.port}",
        }[server]
        settings = api.settings.model_copy(update={f"{server}_url": SecretStr(through)})
        async with worker_process(settings) as worker:
            yield link, worker


@pytest.mark.parametrize("direction", Direction)
async def test_a_worker_whose_way_to_the_database_is_cut_in_one_direction_loses_its_job_and_comes_back(
    api: Service, tmp_path: Path, direction: Direction
) -> None:
    async with linked(api, "database") as (link, _):
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        (tmp_path / "pids").unlink()
        with link.deaf(direction):
            async with worker_process(api.settings):
                await pids_in(tmp_path)
                (tmp_path / "go").touch()
                job = await api.client.result(job["id"])
        assert (job["state"], outcomes(job)) == ("succeeded", ["lost", "succeeded"])
        later = await api.ended("test.say", {"text": "it works again"})
        assert (later["state"], later["attempts"][-1]["worker"]) == ("succeeded", job["attempts"][0]["worker"])
        assert await api.client.job(job["id"]) == job


@pytest.mark.parametrize("direction", Direction)
async def test_a_worker_whose_way_to_redis_is_cut_in_one_direction_ends_its_job_and_comes_back(
    api: Service, tmp_path: Path, direction: Direction
) -> None:
    async with linked(api, "redis") as (link, _):
        running = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        with link.deaf(direction):
            async with worker_process(api.settings):
                jobs = [await api.client.submit("test.say", {"text": str(number)}) for number in range(10)]
                ended = [await api.client.result(job["id"]) for job in jobs]
            (tmp_path / "go").touch()
            running = await api.client.result(running["id"])
        assert (running["state"], outcomes(running)) == ("succeeded", ["succeeded"])
        assert {job["state"] for job in ended} == {"succeeded"}
        later = await api.ended("test.say", {"text": "it works again"})
        assert later["attempts"][-1]["worker"] == running["attempts"][0]["worker"]


async def test_a_clock_that_jumps_by_hours_costs_nobody_a_job(api: Service, tmp_path: Path) -> None:
    offset = tmp_path / "offset_s"
    offset.write_text("0")
    async with worker_process(api.settings, "tests.flow.jumping", str(offset)):
        job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
        await pids_in(tmp_path)
        offset.write_text(str(5 * 3600))
        retried = await api.ended("test.fail", {"how": "retryable", "times": 2})
        async with worker_process(api.settings):
            await beating(2, api.settings)
            offset.write_text(str(-5 * 3600))
            await beating(2, api.settings)
            (tmp_path / "go").touch()
            job = await api.client.result(job["id"])
    assert (job["state"], outcomes(job)) == ("succeeded", ["succeeded"])
    assert outcomes(retried) == ["failed", "failed", "succeeded"]
    times = [datetime.fromisoformat(each["started_at"]) for each in (*job["attempts"], *retried["attempts"])]
    assert max(times) - min(times) < timedelta(minutes=5)


async def test_a_job_that_kills_its_worker_three_times_ends_poisoned_with_what_is_known(
    api: Service, tmp_path: Path
) -> None:
    job = await api.client.submit("test.kill", {})
    for _ in range(3):
        async with unlucky_worker(api.settings) as worker:
            assert await worker.wait() == 128 + SIGKILL
    async with unlucky_worker(api.settings):
        job = await api.client.result(job["id"])
        assert (await api.ended("test.say", {"text": "a worker lives"}))["state"] == "succeeded"
    assert (job["state"], job["reason"], outcomes(job)) == ("failed", "poisoned", ["lost"] * 3)
    assert len({attempt["worker"] for attempt in job["attempts"]}) == 3
    assert job["attempts"][-1]["worker"] in job["error"]["detail"]


async def test_a_job_that_lost_its_worker_keeps_its_place_in_the_queue(api: Service, tmp_path: Path) -> None:
    one_at_a_time = api.settings.model_copy(update={"concurrency": 1})
    folders = [tmp_path / name for name in ("lost", "before")]
    for folder in folders:
        folder.mkdir()
    async with worker_process(one_at_a_time) as first:
        lost = await api.client.submit("test.wait", {"folder": str(folders[0])})
        await pids_in(folders[0])
        before = await api.client.submit("test.wait", {"folder": str(folders[1])})
        behind = await api.client.submit("test.say", {"text": "behind"})
        os.kill(first.pid, SIGKILL)
        await first.wait()
    (folders[0] / "go").touch()

    async def rescued() -> bool:
        return outcomes(await api.client.job(lost["id"]))[0] == "lost"

    async with worker_process(one_at_a_time):
        await until(rescued)
        (folders[1] / "go").touch()
        lost, before, behind = [await api.client.result(job["id"]) for job in (lost, before, behind)]
    assert [job["state"] for job in (lost, before, behind)] == ["succeeded"] * 3
    assert lost["attempts"][1]["started_at"] < behind["attempts"][0]["started_at"]


async def test_a_job_that_ran_by_chance_beside_one_that_kills_workers_succeeds(api: Service, tmp_path: Path) -> None:
    job = await api.client.submit("test.wait", {"folder": str(tmp_path)})
    async with unlucky_worker(api.settings) as worker:
        await pids_in(tmp_path)
        killer = await api.client.submit("test.kill", {})
        assert await worker.wait() == 128 + SIGKILL
    async with unlucky_worker(api.settings) as worker:
        assert await worker.wait() == 128 + SIGKILL
    (tmp_path / "go").touch()
    async with AsyncExitStack() as stack:
        for _ in range(2):  # the one that the job kills is replaced
            await stack.enter_async_context(unlucky_worker(api.settings))
        ended = [await api.client.result(each["id"]) for each in (job, killer)]
    assert [each["state"] for each in ended] == ["succeeded", "failed"]
    assert outcomes(ended[0]) == ["lost", "lost", "succeeded"]
    assert ended[1]["reason"] == "poisoned"
    row = await JobRecord.get(id=ended[1]["id"])
    assert row.limits == [["suspects", 1, None, 60.0]]
    await ledger.retry(row.id)
    await row.refresh_from_db()
    assert (row.limits, row.losses) == (None, 0)
