"""Autoscaling on real servers: more workers for a backlog, fewer after it, and nothing is lost when all end."""

import os
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from arqsvc.jobs.lease import WorkerRecord
from arqsvc.settings import Settings
from tests.cli.program import Program
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import alive, pids_in, until

KEEPER = "tests.flow.autoscaled"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """One or two workers of one slot each, whatever else this machine does, that grow and shrink within seconds."""
    quick = {"autoscale_wait_s": 0.3, "autoscale_idle_s": 0.5, "autoscale_cpu": 1.0}
    return settings.model_copy(update={"concurrency": 1, "drain_s": 30.0, "autoscale": "1:2", **quick})


async def worker_pids() -> set[int]:
    """Return the process ids of the workers that have a row."""
    return {row.pid for row in await WorkerRecord.all()}


async def backlog(service: Service, folders: list[Path]) -> list[dict[str, Any]]:
    """Submit jobs that run until there is a file `go` in their folder."""
    for folder in folders:
        folder.mkdir()
    return [await service.client.submit("test.wait", {"folder": str(folder)}) for folder in folders]


async def test_a_backlog_brings_a_second_worker_and_its_end_takes_the_idle_one_away(
    api: Service, tmp_path: Path
) -> None:
    folders = [tmp_path / str(number) for number in range(5)]
    most = 0

    async def workers_are(number: int) -> bool:
        nonlocal most
        found = len(await worker_pids())
        most = max(most, found)
        return found == number

    async with worker_process(api.settings, KEEPER) as keeper:
        jobs = await backlog(api, folders)
        await until(lambda: workers_are(2))
        await until(lambda: sum((folder / "pids").exists() for folder in folders) == 2)
        for folder in folders[:-1]:
            (folder / "go").touch()
        await pids_in(folders[-1])
        await until(lambda: workers_are(1))  # and the one that goes is not the one that works
        assert all(map(alive, await pids_in(folders[-1])))
        os.kill(keeper.pid, SIGTERM)
        (folders[-1] / "go").touch()
        assert await keeper.wait() == 0
    assert (await worker_pids(), most) == (set(), 2)
    for job in [await api.client.job(job["id"]) for job in jobs]:
        assert (job["state"], job["attempt"]) == ("succeeded", 1)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["succeeded"]


async def test_a_worker_that_is_killed_is_replaced(api: Service, tmp_path: Path) -> None:
    async with worker_process(api.settings, KEEPER):
        (job,) = await backlog(api, [tmp_path / "0"])
        await pids_in(tmp_path / "0")
        (tmp_path / "0" / "go").touch()
        (first,) = await worker_pids()
        os.kill(first, SIGKILL)

        async def replaced() -> bool:
            return bool(await worker_pids() - {first})

        await until(replaced)
        job = await api.client.result(job["id"])
    assert job["state"] == "succeeded"


async def test_a_second_signal_is_handed_on_and_the_jobs_go_back_uncounted(api: Service, tmp_path: Path) -> None:
    log = tmp_path / "log"
    two = api.settings.model_copy(update={"autoscale": "2:2", "drain_s": 600.0, "log_file": log})
    async with worker_process(two, KEEPER) as keeper:
        jobs = await backlog(api, [tmp_path / "0", tmp_path / "1"])
        pids = [pid for number in "01" for pid in await pids_in(tmp_path / number)]
        os.kill(keeper.pid, SIGTERM)
        await until(lambda: log.read_text().count("worker drains") == 2)
        os.kill(keeper.pid, SIGTERM)
        assert await keeper.wait() == 0
    assert not any(map(alive, pids))
    for job in [await api.client.job(job["id"]) for job in jobs]:
        assert (job["state"], job["reason"]) == ("queued", "worker_stopped")
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["interrupted"]


async def test_the_command_keeps_workers_that_keep_none(api: Service) -> None:
    two = api.settings.model_copy(update={"autoscale": "2:2"})
    async with worker_process(two, "arqsvc", "worker") as keeper:

        async def both_beat() -> bool:
            return len(await worker_pids()) == 2

        await until(both_beat)
        assert keeper.pid not in await worker_pids()
    assert await worker_pids() == set()


async def test_a_wrong_number_of_workers_stops_the_start_with_one_line(program: Program) -> None:
    said = "arqsvc: Wrong setting: ARQSVC_AUTOSCALE='2:1': must be MIN:MAX, two whole numbers with"
    for code, out, err in (
        await program.run("worker", "--autoscale", "2:1"),
        await program.run("worker", ARQSVC_AUTOSCALE="2:1"),
    ):
        assert (code, out, err.startswith(said), err.count("\n")) == (2, "", True, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["-q", "nonsense"], "No kind of job uses the queue nonsense."), ([], "ARQSVC_REDIS_URL and ARQSVC_DATABASE_URL")],
)
async def test_what_would_end_each_worker_stops_the_start(program: Program, words: list[str], said: str) -> None:
    code, out, err = await program.run("worker", "--autoscale", "1:2", *words)
    assert (code, out, said in err, err.count("\n")) == (2, "", True, 1)
