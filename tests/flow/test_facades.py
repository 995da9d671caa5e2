"""What others speak: a job as a Celery task, and as a GA4GH workflow run."""

import json
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from jsonschema_rs import validator_for

from arqsvc.api import wes
from arqsvc.jobs.files import FileRecord
from arqsvc.jobs.record import JobRecord
from tests.service import Service
from tests.waiting import pids_in, until


def validate(told: Any, shape: dict[str, Any]) -> None:
    validator_for(shape, validate_formats=True).validate(told)


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
    assert (told["state"], told["progress"]) == ("PENDING", 0)
    assert told["status"] == "It is not to begin before its time."
    await pids_in(tmp_path)
    told = await status(service, job)
    assert (told["state"], told["progress"], told["status"], told["result"]) == ("PROGRESS", 10, "wait", None)
    (tmp_path / "go").touch()
    await service.client.result(job)
    told = await status(service, job)
    assert (told["state"], told["progress"], told["result"]) == ("SUCCESS", 100, {"text": "went"})
    assert told["status"] == "It has succeeded."

    failed = (await service.ended("test.fail", {"how": "failed"}))["id"]
    told = await status(service, failed)
    assert (told["state"], told["error"], told["result"]) == ("FAILURE", "the file is empty", None)
    assert told["status"] == "It has failed: the file is empty"
    await JobRecord.filter(id=waiting).update(failures=1)
    assert (await status(service, waiting))["state"] == "RETRY"

    answer = await service.http.post(f"/tasks/{waiting}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert set(answer.json()) == {"task_id", "status", "message"}
    told = await status(service, waiting)
    assert (told["state"], told["status"]) == ("REVOKED", "It is cancelled.")
    answer = await service.http.post(f"/tasks/{job}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "ended")
    assert (await service.http.get("/tasks/nonsense/status")).status_code == 404


async def test_a_task_that_is_being_cancelled_says_so_until_it_is_terminated(service: Service, tmp_path: Path) -> None:
    job = (await service.client.submit("test.linger", {"folder": str(tmp_path), "how": "slow"}))["id"]
    await until((tmp_path / "runs").exists)
    url = f"/tasks/{job}/cancel"
    for unknown in ({"terminate": True, "signal": "SIGKILL"}, {"terminate": "yes"}):
        answer = await service.http.post(url, json=unknown)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params")
    assert (await status(service, job))["status"] == "It has begun."
    answer = await service.http.post(url)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    assert (await status(service, job))["status"] == "It is being cancelled."
    answer = await service.http.post(url, json={"terminate": True})
    assert answer.json()["status"] in {"cancelling", "cancelled"}
    assert (await service.client.result(job))["state"] == "cancelled"
    assert not (tmp_path / "cleaned").exists()


async def running(service: Service, job: str) -> bool:
    return bool((await service.http.get(f"/jobs/{job}")).json()["state"] == "running")


async def logged(service: Service, job: str) -> bool:
    return bool((await service.http.get(f"/jobs/{job}/logs")).json()["items"])


WES = "/ga4gh/wes/v1"
TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
STATE = {
    "enum": [
        "UNKNOWN", "QUEUED", "INITIALIZING", "RUNNING", "PAUSED", "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR",
        "CANCELED", "CANCELING", "PREEMPTED",
    ]
}  # fmt: skip
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}


def shape(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


LOG: dict[str, Any] = {
    "name": TEXT, "cmd": {"type": "array", "items": TEXT}, "start_time": TIME, "end_time": TIME, "stdout": TEXT,
    "stderr": TEXT, "exit_code": {"type": "integer"}, "system_logs": {"type": "array", "items": TEXT},
}  # fmt: skip
REQUEST = shape(
    "workflow_type workflow_type_version workflow_url", workflow_params={"type": "object"}, workflow_type=TEXT,
    workflow_type_version=TEXT, tags=TEXTS, workflow_engine_parameters=TEXTS, workflow_engine=TEXT,
    workflow_engine_version=TEXT, workflow_url=TEXT,
)  # fmt: skip
RUN_ID = shape("run_id", run_id=TEXT)
STATUS = shape("run_id", run_id=TEXT, state=STATE)
RUNS = shape(
    "runs next_page_token", next_page_token=TEXT,
    runs={"type": "array", "items": shape(
        "run_id tags", run_id=TEXT, state=STATE, start_time=TIME, end_time=TIME, tags=TEXTS,
    )},
)  # fmt: skip
RUN = shape(
    "run_id request state run_log task_logs_url outputs", run_id=TEXT, request=REQUEST, state=STATE,
    run_log=shape(**LOG), task_logs_url=TEXT, outputs={"type": "object"},
)  # fmt: skip
TASK = shape("id name", id=TEXT, tes_uri=TEXT, **LOG)
TASKS = shape("task_logs next_page_token", task_logs={"type": "array", "items": TASK}, next_page_token=TEXT)
VERSIONS = {"type": "array", "items": TEXT}
SERVICE = shape(
    "id name type organization version workflow_type_versions supported_wes_versions supported_filesystem_protocols "
    "workflow_engine_versions default_workflow_engine_parameters system_state_counts auth_instructions_url tags",
    id=TEXT, name=TEXT, description=TEXT, version=TEXT, documentationUrl={"type": "string", "format": "uri"},
    type=shape("group artifact version", group=TEXT, artifact=TEXT, version=TEXT),
    organization=shape("name url", name=TEXT, url={"type": "string", "format": "uri"}),
    workflow_type_versions={"additionalProperties": shape(workflow_type_version=VERSIONS)},
    workflow_engine_versions={"additionalProperties": shape(workflow_engine_version=VERSIONS)},
    supported_wes_versions=VERSIONS, supported_filesystem_protocols=VERSIONS, tags=TEXTS,
    default_workflow_engine_parameters={"type": "array", "items": shape(name=TEXT, type=TEXT, default_value=TEXT)},
    system_state_counts={"propertyNames": STATE, "additionalProperties": {"type": "integer"}},
    auth_instructions_url=TEXT,
)  # fmt: skip
ERROR = shape("msg status_code", msg=TEXT, status_code={"type": "integer"})
"""The shapes of the specification's version 1.1.0 and of GA4GH's service-info 1.0.0, strictly."""


async def asked(
    service: Service, method: str, path: str, shape: dict[str, Any], status: int = 200, **request: Any
) -> Any:
    answer = await service.http.request(method, service.client.url + WES + path, **request)
    assert answer.status_code == status, answer.text
    validate(answer.json(), shape)
    return answer.json()


async def test_a_client_of_ga4gh_submits_a_run_with_an_attachment_and_follows_it(service: Service) -> None:
    root = service.client.url + WES
    wes = partial(asked, service)

    async with httpx.AsyncClient(trust_env=False) as stranger:
        answer = await stranger.get(f"{root}/service-info")
        validate(answer.json(), SERVICE)
        assert answer.json()["supported_wes_versions"] == ["1.1.0"]
        told = (await stranger.get(answer.json()["auth_instructions_url"])).raise_for_status().text
        assert all(word in told for word in (WES, "Bearer KEY", "keys create", "workflow_type_version"))
        answer = await stranger.get(f"{root}/runs")
        validate(answer.json(), ERROR)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")

    form = {
        "workflow_type": "arqsvc", "workflow_type_version": "1", "workflow_url": "test.read",
        "workflow_params": json.dumps({"file_id": "read.txt"}), "tags": json.dumps({"plate": "7"}),
        "workflow_engine_parameters": json.dumps({"priority": "8"}),
    }  # fmt: skip
    files = {"workflow_attachment": ("read.txt", b"what was attached")}
    run = (await wes("POST", "/runs", RUN_ID, data=form, files=files))["run_id"]
    await service.client.result(run)
    assert (await wes("GET", f"/runs/{run}/status", STATUS))["state"] == "COMPLETE"
    told = await wes("GET", f"/runs/{run}", RUN)
    assert (told["outputs"]["result"], told["run_log"]["exit_code"]) == ({"text": "what was attached"}, 0)
    sent = {name: json.loads(text) if text[0] == "{" else text for name, text in form.items()}
    assert told["request"] == sent
    file = (await service.http.get(f"/jobs/{run}")).json()["params"]["file_id"]
    (task,) = (await wes("GET", f"/runs/{run}/tasks", TASKS))["task_logs"]
    assert await wes("GET", f"/runs/{run}/tasks/{task['id']}", TASK) == task
    await wes("GET", f"/runs/{run}/tasks/9", ERROR, 404)

    body = {"workflow_type": "arqsvc", "workflow_type_version": "1", "workflow_url": "test.say"}
    more = [
        (await wes("POST", "/runs", RUN_ID, json={**body, "workflow_params": {"text": str(n)}}))["run_id"]
        for n in range(3)
    ]
    page = await wes("GET", "/runs?page_size=2", RUNS)
    rest = await wes("GET", f"/runs?page_size=2&page_token={page['next_page_token']}", RUNS)
    assert [each["run_id"] for each in (*page["runs"], *rest["runs"])] == [*reversed(more), run]
    assert rest["next_page_token"] == ""
    failed = {**body, "workflow_url": "test.fail"}
    for how, state in (("failed", "EXECUTOR_ERROR"), ("bug", "SYSTEM_ERROR")):
        run = (await wes("POST", "/runs", RUN_ID, json={**failed, "workflow_params": {"how": how}}))["run_id"]
        await service.client.result(run)
        told = await wes("GET", f"/runs/{run}", RUN)
        assert (told["state"], told["request"]) == (state, {**failed, "workflow_params": {"how": how}})
    assert (await wes("POST", f"/runs/{run}/cancel", RUN_ID))["run_id"] == run
    for wrong in ({"workflow_type": "CWL"}, {"workflow_url": "no.kind"}, {"workflow_engine_parameters": {"x": "1"}}):
        await wes("POST", "/runs", ERROR, 400, json={**body, **wrong})
    await wes("GET", "/runs/nonsense", ERROR, 404)
    again = {**sent, "workflow_params": {"file_id": file}, "workflow_engine_parameters": {"timeout_s": "60"}}
    run = (await wes("POST", "/runs", RUN_ID, json=again))["run_id"]
    assert (await wes("GET", f"/runs/{run}", RUN))["request"] == again


async def test_what_waits_is_counted_as_its_status_says(api: Service) -> None:
    later = (await api.client.submit("test.say", {"text": "x"}, delay_s=3600))["id"]
    blocked = (await api.client.submit("test.follow", {"folder": "/tmp"}))["id"]
    states = [(await asked(api, "GET", f"/runs/{job}/status", STATUS))["state"] for job in (later, blocked)]
    assert states == ["QUEUED", "INITIALIZING"]
    counts = (await asked(api, "GET", "/service-info", SERVICE))["system_state_counts"]
    assert counts == {"QUEUED": 3, "INITIALIZING": 1, "RUNNING": 0}, "what the blocked one needs are two of the queued"
    await asked(api, "POST", f"/runs/{later}/cancel", RUN_ID)
    told = await asked(api, "GET", f"/runs/{later}", RUN)
    assert (told["state"], "exit_code" in told["run_log"]) == ("CANCELED", False)


async def test_the_attempt_that_runs_is_a_task_and_its_log_is_text(service: Service, tmp_path: Path) -> None:
    run = (await service.client.submit("test.talk", {"folder": str(tmp_path)}))["id"]
    await until(lambda: running(service, run))
    (task,) = (await asked(service, "GET", f"/runs/{run}/tasks", TASKS))["task_logs"]
    assert {"end_time", "exit_code"}.isdisjoint(task)
    assert (task["id"], "start_time" in task) == ("1", True)
    assert await asked(service, "GET", f"/runs/{run}/tasks/1", TASK) == task
    await asked(service, "GET", f"/runs/{run}/tasks/2", ERROR, 404)
    assert (await asked(service, "GET", f"/runs/{run}/tasks?page_token=1", TASKS))["task_logs"] == []
    await until(lambda: logged(service, run))
    (tmp_path / "go").touch()
    await service.client.result(run)
    (task,) = (await asked(service, "GET", f"/runs/{run}/tasks", TASKS))["task_logs"]
    assert (task["exit_code"], "end_time" in task, "stderr" in task) == (0, True, False)
    for log in (task, (await asked(service, "GET", f"/runs/{run}", RUN))["run_log"]):
        text = await service.http.get(log["stdout"])
        assert text.headers["content-type"].startswith("text/plain")
        assert "INFO by the context, attempt 1" in text.text


async def test_a_run_that_is_refused_says_so_as_specified_and_leaves_no_file(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(status: int, says: str, method: str = "GET", path: str = "/runs", **request: Any) -> None:
        answer = await api.http.request(method, api.client.url + WES + path, **request)
        assert (answer.status_code, answer.json()["status_code"]) == (status, status), answer.text
        validate(answer.json(), ERROR)
        assert says in answer.json()["msg"]

    form = {"workflow_type": "arqsvc", "workflow_type_version": "1", "workflow_url": "test.read"}
    form["workflow_params"] = json.dumps({"file_id": "read.txt"})
    files = [("workflow_attachment", ("read.txt", b"attached"))]
    wrong: tuple[tuple[str, dict[str, str]], ...] = (
        ("U+0000", {"tags": json.dumps({"a": "x\0"})}),
        ("U+0000", {"workflow_url": "a\0"}),
        ("/tags/a b: a tag's name is 1 to 64 of A-Z", {"tags": json.dumps({"a b": "x"})}),
        ("not JSON", {"tags": "{"}),
        ("/workflow_engine_parameters/queue: 'none' is", {"workflow_engine_parameters": json.dumps({"queue": "none"})}),
        ("no kind of job", {"workflow_url": "test.none"}),
        ("/workflow_params/file_id: ", {"workflow_params": json.dumps({"file_id": ["read.txt"]})}),
        ("/workflow_params/more: ", {"workflow_params": json.dumps({"file_id": "read.txt", "more": 1})}),
        (
            "/workflow_params/more: is no member here; there are: file_id. /workflow_params/most: is no member",
            {"workflow_params": json.dumps({"file_id": "read.txt", "more": 1, "most": 2})},
        ),
        ("Too many fields", {f"field{number}": "x" for number in range(40)}),
    )
    stored = AsyncMock(side_effect=AssertionError("it is refused before anything is stored"))
    with monkeypatch.context() as patched:
        patched.setattr(wes, "named", stored)
        for says, fields in wrong:
            await refused(400, says, "POST", data=form | fields, files=files)
        await refused(400, "two files", "POST", data=form, files=files * 2)
        for name in (".x", "../phix.gb", "a/../b", "/etc/passwd", "a//b", "a/", "a\\..\\b"):
            attached = ("workflow_attachment", (name, b""))
            await refused(400, f"{name!r} is ", "POST", data=form, files=[files[0], attached])
        await refused(400, "Send multipart/form-data", "POST", data=form)
        await refused(400, "There is no query parameter 'x' here. It takes: page", path="/runs?x=1")
        await refused(400, "Idempotency-Key", "POST", data=form, files=files, headers={"Idempotency-Key": "a"})
    gone = json.dumps({"file_id": "00000000-0000-0000-0000-000000000000"})
    await refused(400, "There is no file", "POST", data={**form, "workflow_params": gone}, files=files)
    assert await FileRecord.all().count() == 0

    await refused(405, "", "PUT")
    await refused(404, "", path="/nothing")
    monkeypatch.setattr(wes, "_counts", AsyncMock(side_effect=ZeroDivisionError))
    await refused(500, "Something went wrong here", path="/service-info")
