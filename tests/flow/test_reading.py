"""Reading jobs: pages while rows arrive and end, numbers, 304, and why a job waits."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.errors import Retryable, SourceUnavailable, Throttled
from arqsvc.infra.db import connect
from arqsvc.jobs import ledger
from arqsvc.jobs.files import FileRecord
from arqsvc.jobs.filters import Filter
from arqsvc.jobs.ledger import Ended, Ending
from arqsvc.jobs.listing import COUNTED, MOST, SEARCHED
from arqsvc.jobs.record import State
from arqsvc.jobs.snapshot import Wanted, snapshot
from tests.service import Service

WORKER = """INSERT INTO worker (id, host, pid, queues, concurrency, started_at, heartbeat_at)
VALUES ('w', 'host', 1, '["test"]', 1, now(), now() + interval '1 hour')"""
MANY = """INSERT INTO job (id, project, kind, queue, state, params, tries, tags, created_at, attempted_at, finished_at)
SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid, 'tester',
    'test.say', 'test', CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'succeeded' END,
    jsonb_build_object('text', 'say ' || n), 1,
    jsonb_build_object('n', n::text, 'all', 'x'), to_timestamp(1600000000 + n / 1000.0),
    now() - interval '1 hour', now() - interval '1 hour' + interval '10 seconds'
FROM generate_series(1, $1::int) n"""


async def execute(service: Service, sql: str, *values: Any) -> None:
    """Change the database beside the service."""
    assert service.settings.database_url
    connection = await connect(service.settings.database_url.get_secret_value())
    try:
        await connection.execute(sql, *values)
    finally:
        await connection.close()


async def submitted(service: Service, kind: str = "test.say", params: Any = None, **options: Any) -> str:
    job = await service.client.submit(kind, {"text": "x"} if params is None else params, **options)
    return str(job["id"])


async def get(service: Service, path: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await service.http.get(path, params=query)).raise_for_status().json()
    return found


@pytest.mark.parametrize(("sort", "view"), [("-created", "brief"), ("created", "full")])
async def test_pages_hold_each_job_once_while_others_arrive_and_end(api: Service, sort: str, view: str) -> None:
    made = [await submitted(api, params={"text": str(number)}) for number in range(10)]
    url: str | None = f"/jobs?limit=3&kind=test.*&sort={sort}&view={view}"
    seen: list[str] = []
    while url:
        answer = (await api.http.get(url)).raise_for_status()
        page = answer.json()
        seen += [job["id"] for job in page["items"]]
        assert ("next" in answer.links) is bool(page["next_cursor"])
        assert all(("text" in job["params"]) is (view == "full") for job in page["items"])
        if len(seen) < 30:
            await submitted(api)
            for end in [seen[-1], next((job for job in made if job not in seen), seen[-2])]:
                await api.http.post(f"/jobs/{end}/cancel")
        url = answer.links["next"]["url"].removeprefix("/api/v1") if "next" in answer.links else None
    assert len(seen) == len(set(seen))
    assert [job for job in seen if job in made] == (made if sort == "created" else made[::-1])


async def test_a_cursor_is_of_one_filter_and_a_query_is_checked(api: Service) -> None:
    for _ in range(2):
        await submitted(api)
    cursor = (await get(api, "/jobs", limit=1, state="queued"))["next_cursor"]
    assert (await get(api, "/jobs", limit=5, view="brief", cursor=cursor, state="queued"))["next_cursor"] is None
    for query, pointer in (
        (f"cursor={cursor}", "/cursor"),
        (f"cursor={cursor}&state=queued&sort=created", "/cursor"),
        ("cursor=AAAA", "/cursor"),
        ("cursor=é", "/cursor"),
        ("sort=name", "/sort"),
        ("sort=due", "/sort"),
        ("sort=place&state=queued,running", "/sort"),
        ("sort=place&state=queued&q=text", "/sort"),
        (f"sort=place&state=queued&cursor={cursor}", "/cursor"),
        ("sort=due&state=scheduled&cursor=AAAA", "/cursor"),
        ("state=queued&state=failed", "/state"),
        ("kind=test.sya", "/kind"),
        ("color=red", "/color"),
    ):
        for path in ("/jobs", "/jobs/counts")[: 1 + (pointer in {"/state", "/kind", "/color"})]:
            refused = await api.http.get(f"{path}?{query}")
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await get(api, "/jobs", kind="gone.*"))["items"] == []


@pytest.mark.parametrize("sort", ["due", "place"])
async def test_what_goes_on_next_is_listed_first(api: Service, sort: str) -> None:
    state = "scheduled" if sort == "due" else "queued"
    made = {}
    for number in (3, 1, 4, 1, 5, 9, 2, 6):
        options = {"delay_s": 1000.0 * number} if sort == "due" else {"priority": 10 - number}
        for kind in ("test.say", "test.unserved"):
            params = {"text": "x"} if kind == "test.say" else {}
            made[await submitted(api, kind, params, **options)] = number
    await api.http.post(f"/jobs/{await submitted(api)}/cancel")
    url: str | None = f"/jobs?limit=3&sort={sort}&state={state}&created_after=2020-01-01T00:00:00Z"
    seen: list[str] = []
    while url:
        answer = (await api.http.get(url)).raise_for_status()
        seen += [job["id"] for job in answer.json()["items"]]
        url = answer.links["next"]["url"].removeprefix("/api/v1") if "next" in answer.links else None
    assert sorted(seen) == sorted(made)
    lines = [seen] if sort == "due" else [[job for job in seen if job in of] for of in await _by_queue(api)]
    for line in lines:
        assert [made[job] for job in line] == sorted(made[job] for job in line)
    said = [job for job in seen if job in {each["id"] for each in (await get(api, "/jobs", kind="test.say"))["items"]}]
    page = await get(api, "/jobs", sort=sort, state=state, kind="test.say", limit=8)
    assert ([job["id"] for job in page["items"]], page["next_cursor"]) == (said, None)


async def _by_queue(service: Service) -> list[set[str]]:
    queues: dict[str, set[str]] = {}
    for job in (await get(service, "/jobs", state="queued"))["items"]:
        queues.setdefault(job["queue"], set()).add(job["id"])
    assert len(queues) == 2
    return list(queues.values())


async def test_many_jobs_are_counted_and_searched_within_bounds(api: Service) -> None:
    await execute(api, MANY, COUNTED + 10_000)
    counts = await get(api, "/jobs/counts")
    assert counts["all"] == {"count": COUNTED, "exact": False}
    assert counts["state"]["failed"] == {"count": (COUNTED + 10_000) // 100, "exact": True}
    assert counts["state"]["succeeded"] == {"count": COUNTED * 99 // 100, "exact": False}
    assert MOST < COUNTED
    begins = await snapshot(Wanted("tester", Filter()))
    assert (begins["counts"]["failed"], begins["counts"]["succeeded"]) == ((COUNTED + 10_000) // 100, MOST)
    counts = await get(api, "/jobs/counts", created_before="2020-09-13T12:26:45Z", state="failed")
    assert counts["all"] == counts["kind"]["test.say"] == counts["tags"]["all"]["x"] == {"count": 49, "exact": True}
    assert len(counts["tags"]["n"]) == 49
    assert counts["queue"] == {"test": {"count": 49, "exact": True}}

    counts = await get(api, "/jobs/counts", q="SAY 2345")
    assert counts["all"] == counts["state"]["succeeded"] == {"count": 10, "exact": False}, "2345 itself is too old"
    assert counts["tags"]["all"]["x"] == {"count": 10, "exact": False}
    counts = await get(api, "/jobs/counts", q="say 2345", created_before="2020-09-13T12:26:45Z")
    assert counts["all"] == {"count": 1, "exact": True}
    bulk = {"action": "pin", "filter": {"q": "say 2345"}, "dry_run": True}
    answer = await api.http.post("/jobs:bulk", json=bulk)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/filter/q")

    page = await get(api, "/jobs", q="SAY 5")
    assert len(page["items"]) == 50
    page = await get(api, "/jobs", q="say 2345", view="brief", sort="created")
    assert [job["tags"]["n"] for job in page["items"]] == ["2345", *(f"2345{digit}" for digit in range(10))]
    page = await get(api, "/jobs", q="say 2346", view="brief")
    assert len(page["items"]) == 10
    assert page["next_cursor"], f"it has looked at {SEARCHED} jobs"
    page = await get(api, "/jobs", q="say 2346", cursor=page["next_cursor"])
    assert ([job["params"]["text"] for job in page["items"]], page["next_cursor"]) == (["say 2346"], None)


async def test_who_asks_again_gets_304_until_something_changes(api: Service) -> None:
    job = await submitted(api, "test.unserved", {})
    (begun,) = await ledger.start([(UUID(job), 1)], "w", 20.0)

    async def unchanged(path: str, tag: str) -> bool:
        answer = await api.http.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert answer.status_code == 200 or not answer.content
        return answer.status_code == 304

    one, many = f"/jobs/{job}", "/jobs?state=running"
    tags = {path: (await api.http.get(path)).headers["etag"] for path in (one, many)}
    assert all([await unchanged(path, tag) for path, tag in tags.items()])
    assert (await api.http.get(one, headers={"If-None-Match": "*"})).status_code == 304
    await api.client.cancel(job)
    assert not any([await unchanged(path, tag) for path, tag in tags.items()])
    running = (await api.http.get(one)).headers["etag"]
    result = {"text": "x"}
    await ledger.finish([Ended(begun.id, 1, Ending("succeeded", State.SUCCEEDED, result=result))])
    assert not await unchanged(one, running)
    ended = (await api.http.get(one)).headers["etag"]
    assert await unchanged(one, ended)
    (attempt,) = (await get(api, f"{one}/attempts"))["items"]
    assert (attempt["outcome"], attempt["number"], "traceback" in attempt) == ("succeeded", 1, False)


async def test_who_has_an_ended_job_is_told_when_what_it_needed_ends(api: Service) -> None:
    job = await submitted(api, "test.follow", {"folder": "/tmp"})
    needed = UUID((await get(api, f"/jobs/{job}"))["needs"][0]["id"])
    (begun,) = await ledger.start([(needed, 1)], "w", 20.0)
    await api.client.cancel(job)
    told = await api.http.get(f"/jobs/{job}")
    assert (told.json()["state"], told.json()["needs"][0]["state"]) == ("cancelled", "running")
    known = {"If-None-Match": told.headers["etag"]}
    assert (await api.http.get(f"/jobs/{job}", headers=known)).status_code == 304
    await ledger.finish([Ended(begun.id, 1, Ending("succeeded", State.SUCCEEDED, result={"text": "x"}))])
    again = await api.http.get(f"/jobs/{job}", headers=known)
    assert (again.status_code, again.json()["needs"][0]["state"]) == (200, "succeeded")


async def test_each_job_of_a_list_has_what_is_its_own(api: Service) -> None:
    jobs = [await submitted(api) for _ in range(3)]
    for number, job in enumerate(jobs[:2]):
        for name in ("b", "a"):
            await FileRecord.create(
                id=uuid4(), project="tester", job_id=job, name=f"{name}{number}", media_type="text/plain",
                size_bytes=1, sha256="0" * 64, created_at=datetime.now(UTC),
            )  # fmt: skip
    items = (await get(api, "/jobs", sort="created"))["items"]
    assert [[file["name"] for file in job["files"]] for job in items] == [["a0", "b0"], ["a1", "b1"], []]


async def test_another_project_sees_nothing_of_it(service: Service) -> None:
    job = await service.ended("test.say", {"text": "x"})
    assert [file["name"] for file in (await get(service, f"/jobs/{job['id']}/files"))["items"]] == ["said.txt"]
    key = await create_secret(KeyKind.KEY, project="other", name="other")
    async with httpx.AsyncClient(
        base_url=service.http.base_url, headers={"X-API-Key": key}, trust_env=False
    ) as stranger:
        assert (await stranger.get("/jobs")).json()["items"] == []
        assert (await stranger.get(f"/jobs?q={job['id']}")).json()["items"] == []
        assert (await stranger.get("/jobs/counts")).json()["all"] == {"count": 0, "exact": True}
        for path in ("", "/attempts", "/files", "/logs"):
            assert (await stranger.get(f"/jobs/{job['id']}{path}")).status_code == 404


async def test_it_is_said_why_a_job_waits(api: Service) -> None:
    async def waiting(job: str) -> dict[str, Any]:
        found: dict[str, Any] = (await get(api, f"/jobs/{job}"))["waiting"]
        assert found["detail"].endswith(".")
        return found

    async def ended(job: str, error: Retryable, **ending: Any) -> Mapping[str, Any]:
        await ledger.start([(UUID(job), 1)], "w", 20.0)
        end = Ending(ending.pop("outcome"), State.SCHEDULED, error.code, error.problem(), delay_s=60.0, **ending)
        await ledger.finish([Ended(UUID(job), 1, end)])
        return await waiting(job)

    first, second = await submitted(api), await submitted(api)
    alone = await waiting(first)
    assert (alone["reason"], alone["position"], alone["ahead"]) == ("no_worker", 1, 0)
    await execute(api, WORKER)
    behind = await waiting(second)
    assert (behind["reason"], behind["position"], behind["start_in_s"], behind["run_s"]) == ("behind", 2, None, None)
    assert behind["detail"] == "It is behind 1 job; the queue test runs one at a time."
    await api.http.post("/queues/test/pause")
    assert (await waiting(first))["reason"] == "paused"
    await api.http.post("/queues/test/resume")
    await execute(api, "UPDATE worker SET wish = 'drain'")
    assert (await waiting(first))["reason"] == "draining"
    await execute(api, "UPDATE worker SET wish = NULL")

    needing = await submitted(api, "test.follow", {"folder": "/tmp"})
    blocked, needs = await waiting(needing), (await get(api, f"/jobs/{needing}"))["needs"]
    assert (blocked["reason"], blocked["jobs"]) == ("blocked_by", [need["id"] for need in needs])
    assert "test.share (queued)" in blocked["detail"]
    away = await ended(
        needs[0]["id"], SourceUnavailable("The source is away. It is asked again."), outcome="unavailable"
    )
    blocked = await waiting(needing)
    assert blocked["until"] == away["until"]
    when = datetime.fromisoformat(away["until"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    why = f"{needs[0]['kind']} (scheduled, source_unavailable: The source is away, goes on at {when})"
    assert blocked["detail"] == f"It needs what is not done yet: {why}, {needs[1]['kind']} (queued)."
    later = await waiting(await submitted(api, delay_s=100.0))
    assert (later["reason"], later["until"] is not None) == ("scheduled", True)

    asked = await ended(await submitted(api), Throttled("It asks to wait.", delay_s=60, host="h"), outcome="throttled")
    assert (asked["reason"], asked["host"], asked["until"] is not None) == ("throttled", "h", True)
    again = await ended(await submitted(api), Retryable("It was away."), outcome="failed", failed=True)
    assert again["reason"] == "retry"
    assert again["detail"] == "It is tried again, 1 of 3 tries are used up. It was away."

    paced = [await submitted(api, "test.paced", {}) for _ in range(3)]
    keyed = [await submitted(api, "test.one_of_two", {"folder": "/tmp", "key": "k"}) for _ in range(3)]
    await ledger.start([(UUID(job), 1) for job in (*paced, *keyed)], "w", 20.0)
    full = await waiting(keyed[2])
    assert (full["reason"], full["limit"], full["until"]) == ("limited", "test.one_of_two k", None)
    assert (await waiting(paced[2]))["limit"] == "test.paced"
    assert (await get(api, f"/jobs/{keyed[0]}"))["waiting"] is None


async def test_times_of_before_tell_how_long_it_takes(api: Service) -> None:
    await execute(api, WORKER)
    await execute(api, MANY, 5)
    jobs = [await submitted(api) for _ in range(3)]
    await ledger.start([(UUID(jobs[0]), 1)], "w", 20.0)
    running, last = (await get(api, f"/jobs/{jobs[0]}"))["left_s"], (await get(api, f"/jobs/{jobs[2]}"))["waiting"]
    assert 0 < running["p50"] == running["p90"] <= 10
    assert last["run_s"] == {"p50": 10.0, "p90": 10.0}
    assert 10 < last["start_in_s"]["p50"] <= last["start_in_s"]["p90"] <= 20
