"""What others speak: a job as a Celery task, and as a GA4GH workflow run."""

from pathlib import Path
from typing import Any

from arqsvc.jobs.record import JobRecord
from tests.service import Service
from tests.waiting import pids_in


async def status(service: Service, job: str) -> dict[str, Any]:
    answer = await service.http.get(f"/tasks/{job}/status")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    assert set(told) == {"task_id", "state", "status", "progress", "result", "error"}
    assert told["task_id"] == job
    return told


async def test_a_front_end_written_for_celery_goes_on_working(service: Service, tmp_path: Path) -> None:
    job = (await service.client.submit("test.wait", {"folder": str(tmp_path)}))["id"]
    waiting = (await service.client.submit("test.say", {"text": "x"}, delay_s=3600))["id"]
    told = await status(service, waiting)
    assert (told["state"], told["progress"], told["status"]) == ("PENDING", 0, "scheduled")
    await pids_in(tmp_path)
    told = await status(service, job)
    assert (told["state"], told["progress"], told["status"], told["result"]) == ("PROGRESS", 10, "wait", None)
    (tmp_path / "go").touch()
    await service.client.result(job)
    told = await status(service, job)
    assert (told["state"], told["progress"], told["result"]) == ("SUCCESS", 100, {"text": "went"})

    failed = (await service.ended("test.fail", {"how": "failed"}))["id"]
    told = await status(service, failed)
    assert (told["state"], told["error"], told["result"]) == ("FAILURE", "the file is empty", None)
    await JobRecord.filter(id=waiting).update(failures=1)
    assert (await status(service, waiting))["state"] == "RETRY"

    answer = await service.http.post(f"/tasks/{waiting}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert set(answer.json()) == {"task_id", "status", "message"}
    assert (await status(service, waiting))["state"] == "REVOKED"
    answer = await service.http.post(f"/tasks/{job}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "ended")
    (tmp_path / "x").mkdir()
    running = (await service.client.submit("test.wait", {"folder": str(tmp_path / "x")}))["id"]
    await pids_in(tmp_path / "x")
    answer = await service.http.post(f"/tasks/{running}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    assert (await service.client.result(running))["state"] == "cancelled"
    assert (await service.http.get("/tasks/nonsense/status")).status_code == 404
