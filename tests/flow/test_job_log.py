"""What jobs log: of each attempt, also of one whose worker was killed; no secret, no end of lines."""

import json
import os
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psutil

from arqsvc.jobs.joblog import ATTEMPT_BYTES, LINES
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import until


async def lines(service: Service, job: str, **query: Any) -> list[dict[str, Any]]:
    """Return all lines of a job's log, a few at a time."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        asked = {"limit": 700, **query, **({"after": after} if after else {})}
        page = (await service.http.get(f"/jobs/{job}/logs", params=asked)).raise_for_status().json()
        found += page["items"]
        after = page["next_after"]
        if not page["items"]:
            return found


async def test_the_log_of_a_job_keeps_what_each_attempt_said(api: Service, tmp_path: Path) -> None:
    job = (await api.client.submit("test.talk", {"folder": str(tmp_path)}))["id"]
    url = f"/jobs/{job}/logs"
    assert (await api.http.get(url)).json() == {"items": [], "next_after": None}

    async def said(attempt: int) -> bool:
        return len(await lines(api, job, attempt=attempt)) == 4

    async with worker_process(api.settings) as worker:
        await until(lambda: said(1))
        os.kill(worker.pid, SIGKILL)
        async with worker_process(api.settings):
            await until(lambda: said(2))
            (tmp_path / "go").touch()
            assert (await api.client.result(job))["state"] == "succeeded"

    found = await lines(api, job)
    assert [line["id"] for line in found] == [f"{attempt}.{n}" for attempt in (1, 2) for n in (1, 2, 3, 4)]
    assert [(line["level"], line["message"]) for line in found[4:]] == [
        ("INFO", "by the context, attempt 2"),
        ("WARNING", "by logging reads=7"),
        ("ERROR", "in a thread"),
        ("INFO", "connect to ***"),
    ]
    assert [line["id"] for line in await lines(api, job, level="WARNING", after="1.2")] == ["1.3", "2.2", "2.3"]

    text = await api.http.get(url, params={"attempt": 2, "limit": 1}, headers={"Accept": "text/plain"})
    assert text.text == f"{found[4]['at'][:23]}Z [2] INFO by the context, attempt 2\n"
    assert text.links["next"]["url"] == f"/api/v1{url}?attempt=2&limit=1&after=2.1"
    rows = await api.http.get(url, headers={"Accept": "application/x-ndjson"})
    assert len(rows.text.splitlines()) == 8
    for query in ("after=x", "level=LOUD", "limit=0", "colour=red"):
        refused = await api.http.get(f"{url}?{query}")
        assert refused.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


async def test_what_a_child_logs_is_in_the_log_of_its_attempt(api: Service, tmp_path: Path) -> None:
    job = (await api.client.submit("test.talk_in_child", {"folder": str(tmp_path)}))["id"]
    log = tmp_path / "worker.log"

    async def said(attempt: int) -> bool:
        return len(await lines(api, job, attempt=attempt)) == 3

    async with worker_process(api.settings.model_copy(update={"log_file": log})) as worker:
        await until(lambda: said(1))
        [server] = [each for each in psutil.Process(worker.pid).children() if "forkserver.py" in str(each.cmdline())]
        for child in server.children():
            child.kill()
        await until(lambda: said(2))
        (tmp_path / "go").touch()
        assert (await api.client.result(job))["state"] == "succeeded"

        async def whole() -> bool:
            return len(await lines(api, job)) == 8

        await until(whole)

    in_the_child = [("INFO", "before"), ("WARNING", "in a child reads=7"), ("INFO", "connect to ***")]
    found = [(line["id"], line["level"], line["message"]) for line in await lines(api, job)]
    assert [id_ for id_, _, _ in found] == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5"]
    assert [line for _, *line in found] == [*map(list, in_the_child * 2), ["INFO", "it is there"], ["INFO", "behind"]]

    kept = [json.loads(line) for line in log.read_text().splitlines()]
    of_children = [line for line in kept if line["logger"] == "tests.flow.child_work"]
    assert [(line["attempt"], line["level"]) for line in of_children] == [
        (1, "WARNING"), (1, "INFO"), (2, "WARNING"), (2, "INFO"), (2, "INFO"),
    ]  # fmt: skip
    assert {line["job_id"] for line in of_children} == {job}
    assert of_children[0]["reads"] == 7


async def test_a_log_that_is_too_long_says_so(service: Service, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    for kind in ("test.talk", "test.talk_in_child"):
        many = await service.ended(kind, {"folder": str(tmp_path), "lines": LINES})
        await until(partial(ended_with_more, service, many["id"]))
        found = await lines(service, many["id"])
        assert len(found) == LINES + 1
        assert sum(len(line["message"]) for line in found) < ATTEMPT_BYTES


async def ended_with_more(service: Service, job: str) -> bool:
    """Whether the log of a job says that lines were left out."""
    found = await lines(service, job)
    return bool(found) and found[-1]["message"].startswith("… more lines")
