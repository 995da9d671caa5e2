"""What jobs log: of each attempt, also of one whose worker was killed; no secret, no end of lines."""

import os
from pathlib import Path
from signal import SIGKILL
from typing import Any

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


async def test_a_log_that_is_too_long_says_so(service: Service, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    many = await service.ended("test.talk", {"folder": str(tmp_path), "lines": LINES})
    await until(lambda: ended_with_more(service, many["id"]))
    found = await lines(service, many["id"])
    assert len(found) == LINES + 1
    assert sum(len(line["message"]) for line in found) < ATTEMPT_BYTES


async def ended_with_more(service: Service, job: str) -> bool:
    """Whether the log of a job says that lines were left out."""
    found = await lines(service, job)
    return bool(found) and found[-1]["message"].startswith("… more lines")
