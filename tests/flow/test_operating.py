"""What an operator sees: /metrics against what happened, /scaling, /readyz and the migrations."""

import os
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from arqsvc.api.health import Migrations
from arqsvc.api.metrics import METRICS
from arqsvc.infra.db import rows
from arqsvc.jobs.lease import WorkerRecord
from arqsvc.settings import Settings
from tests.flow import kinds, watched
from tests.flow.test_forgetful_redis import wipe
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.waiting import alive, pids_in, until

ALL_KINDS = {**kinds.PARAMS, **watched.PARAMS}
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """The numbers of one scrape."""

    def __init__(self, text: str, parse: Any = text_format) -> None:
        self.text = text
        self.families = list(parse(text))
        self._numbers: Numbers = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return a number, 0 if it is not there."""
        return self._numbers.get((name, frozenset(labels.items())), 0.0)


async def scraped(service: Service, **headers: str) -> Scraped:
    """Scrape without a key."""
    async with httpx.AsyncClient(base_url=service.client.url, headers=headers, trust_env=False) as stranger:
        answer = await stranger.get("/metrics")
    assert answer.status_code == 200
    is_open = answer.headers["content-type"].startswith("application/openmetrics-text")
    return Scraped(answer.text, open_metrics if is_open else text_format)


async def scraped_once(service: Service, name: str, number: float, **labels: str) -> Scraped:
    """Scrape until a number has come to what it must be."""

    async def there() -> bool:
        return (await scraped(service))(name, **labels) >= number

    await until(there)
    return await scraped(service)


async def test_what_is_told_is_what_happened(settings: Settings, tmp_path: Path) -> None:
    small = settings.model_copy(update={"child_memory_bytes": 128 * 2**20})
    async with open_service(settings, ALL_KINDS) as service:
        async with worker_process(small, "tests.flow.watched") as first:
            await what_ends_in_many_ways(service, tmp_path / "cancelled")
            seen = await scraped_once(service, "arqsvc_jobs_ended_total", 1, **CANCELLED)
            check_what_ended(seen)
            check_sources(seen, service)
            check_process(seen)
            doomed = tmp_path / "doomed"
            doomed.mkdir()
            job = await service.client.submit("test.wait", {"folder": str(doomed)})
            pids = await pids_in(doomed)
            seen = await scraped_once(service, "arqsvc_jobs", 1, queue="test", state="running")
            assert (seen("arqsvc_queue_workers", queue="test"), seen("arqsvc_queue_slots", queue="test")) == (1, 4)
            assert seen("arqsvc_workers") == seen("arqsvc_queue_mode", queue="test", mode="open") == 1
            os.kill(first.pid, SIGKILL)
            await first.wait()
        await until(lambda: not any(map(alive, pids)))
        (doomed / "go").touch()
        async with worker_process(settings, "tests.flow.watched"):
            assert (await service.client.result(job["id"]))["state"] == "succeeded"
            await scraped_once(service, "arqsvc_rescues_total", 1, queue="test", state="queued")
    async with open_service(settings, ALL_KINDS) as again:  # another process of the API tells the same
        seen = await scraped(again)
        assert seen("arqsvc_rescues_total", queue="test", state="queued") == 1
        assert seen("arqsvc_attempts_total", kind="test.wait", outcome="succeeded") == 1
        check_what_ended(seen)
        check_that_metrics_are_declared(seen, await scraped(again, accept="application/openmetrics-text"))
        await wipe(again)

        async def emptied() -> bool:
            return (await scraped(again))("arqsvc_attempts_total", kind="test.say", outcome="succeeded") == 0

        await until(emptied)
        assert (await scraped(again))("arqsvc_up", part="redis") == 1


CANCELLED = {"kind": "test.wait", "state": "cancelled", "reason": "cancelled_by_user"}


async def what_ends_in_many_ways(service: Service, folder: Path) -> None:
    folder.mkdir()
    for text in "abc":
        await service.ended("test.say", {"text": text})
    await service.ended("test.fail", {"how": "retryable", "times": 1})
    await service.ended("test.fail", {"how": "failed"})
    await service.ended("test.eat", {"size_bytes": 2**30})
    await service.ended("test.too_slow", {"folder": str(folder)})
    (folder / "pids").unlink(missing_ok=True)
    asked = await service.ended("test.ask", {"url": f"{service.client.url}/livez", "times": 2})
    assert asked["state"] == "succeeded"
    job = await service.client.submit("test.wait", {"folder": str(folder)})
    await pids_in(folder)
    await service.client.cancel(job["id"])
    await service.client.result(job["id"])


def check_what_ended(seen: Scraped) -> None:
    def ended(kind: str, state: str, reason: str = "") -> float:
        return seen("arqsvc_jobs_ended_total", kind=kind, state=state, reason=reason)

    def attempts(kind: str, outcome: str) -> float:
        return seen("arqsvc_attempts_total", kind=kind, outcome=outcome)

    assert ended("test.say", "succeeded") == attempts("test.say", "succeeded") == 3
    assert (ended("test.fail", "succeeded"), ended("test.fail", "failed", "bad_input")) == (1, 1)
    assert (attempts("test.fail", "succeeded"), attempts("test.fail", "failed")) == (1, 2)
    assert seen("arqsvc_retries_total", kind="test.fail", reason="retryable") == 1
    assert (ended("test.eat", "failed", "out_of_memory"), ended("test.too_slow", "failed", "timeout")) == (1, 1)
    assert seen("arqsvc_jobs_ended_total", **CANCELLED) == attempts("test.wait", "cancelled") == 1
    assert seen("arqsvc_child_kills_total", kind="test.eat", reason="memory") == 1
    assert seen("arqsvc_child_kills_total", kind="test.too_slow", reason="timeout") == 1
    assert seen("arqsvc_child_kills_total", kind="test.wait", reason="cancelled") == 1
    assert seen("arqsvc_child_calls_total", kind="test.eat") == 1
    assert seen("arqsvc_child_cpu_seconds_total", kind="test.eat") > 0
    for name in ("arqsvc_job_wait_seconds", "arqsvc_attempt_run_seconds"):
        assert seen(f"{name}_count", kind="test.say") == seen(f"{name}_bucket", kind="test.say", le="+Inf") == 3
        assert seen(f"{name}_bucket", kind="test.say", le="60.0") == 3
    assert seen("arqsvc_attempt_run_seconds_sum", kind="test.too_slow") >= 0.2
    assert seen("arqsvc_attempt_run_seconds_bucket", kind="test.too_slow", le="0.1") == 0


def check_sources(seen: Scraped, service: Service) -> None:
    host = service.client.url.removeprefix("http://")
    assert seen("arqsvc_source_requests_total", host=host, status="200") == 2
    assert seen("arqsvc_source_bytes_total", host=host) == 2 * len(b'{"status":"ok"}')
    assert seen("arqsvc_source_throttled_seconds_total", host=host) > 0


def check_process(seen: Scraped) -> None:
    assert seen("arqsvc_api_requests_total", operation="jobs.submit", status="202") == 9
    assert seen("arqsvc_api_request_seconds_count", operation="jobs.submit") == 9
    assert (
        seen("arqsvc_api_streams_open", transport="sse") == seen("arqsvc_api_streams_open", transport="websocket") == 0
    )
    assert seen("arqsvc_api_db_connections", pool="ledger", state="idle") >= 1
    assert seen("arqsvc_up", part="database") == seen("arqsvc_up", part="redis") == 1


def check_that_metrics_are_declared(text: Scraped, as_open_metrics: Scraped) -> None:
    declared = {metric.name: metric.type for metric in METRICS}
    for seen in (text, as_open_metrics):
        assert {family.name: family.type for family in seen.families} == declared
        assert "tester" not in seen.text


async def test_streams_are_counted_while_they_are_open(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    async with service.http.stream("GET", f"/jobs/{job['id']}/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        assert (await scraped(service))("arqsvc_api_streams_open", transport="sse") == 1
    (tmp_path / "go").touch()
    await service.client.result(job["id"])

    async def none_open() -> bool:
        return (await scraped(service))("arqsvc_api_streams_open", transport="sse") == 0

    await until(none_open)


async def test_who_may_read_the_metrics_is_a_setting(settings: Settings) -> None:
    async with (
        open_service(settings.model_copy(update={"metrics": "key"})) as service,
        httpx.AsyncClient(trust_env=False) as stranger,
    ):
        bearer = {"Authorization": f"Bearer {service.key}"}
        for url in (f"{service.client.url}/metrics", f"{service.client.url}/api/v1/metrics"):
            assert (await stranger.get(url)).status_code == 401
            assert (await stranger.get(url, headers=bearer)).status_code == 200
    async with (
        open_service(settings.model_copy(update={"metrics": "off"})) as service,
        httpx.AsyncClient(trust_env=False) as stranger,
    ):
        assert (await stranger.get(f"{service.client.url}/metrics")).status_code == 404


async def test_scaling_says_how_many_workers_a_queue_needs(api: Service) -> None:
    for number in range(9):
        await api.client.submit("test.say", {"text": str(number)})
    told = (await api.http.get("/scaling/test")).json()
    assert told.pop("oldest_s") > 0
    nobody = {"queue": "test", "queued": 9, "running": 0, "slots": 0, "workers": 0}
    assert told == {**nobody, "desired": 3}  # a worker is taken to run 4 at a time, as the settings say
    await rows(
        """WITH w AS (INSERT INTO worker (id, host, pid, queues, slots, concurrency, started_at, heartbeat_at)
            VALUES ('w', 'h', 1, '["test"]', '{"test": 2}', 2, now(), now()) RETURNING id) SELECT id FROM w"""
    )
    told = (await api.http.get("/scaling")).json()["items"]
    assert [(one["queue"], one["workers"], one["slots"], one["desired"]) for one in told] == [
        ("test", 1, 2, 5),
        ("unserved", 0, 0, 0),
    ]
    await WorkerRecord.all().delete()
    await api.http.post("/queues/test/pause")
    assert (await api.http.get("/scaling/test")).json()["desired"] == 0
    assert (await api.http.get("/scaling/none")).status_code == 404


async def test_ready_means_the_schema_of_this_version(api: Service) -> None:
    assert await Migrations().check() == "ok"
    newer = "WITH made AS (INSERT INTO aerich (version, app, content) VALUES ('99_later.py', 'arqsvc', '{}')"
    await rows(f"{newer} RETURNING version) SELECT * FROM made")
    assert await Migrations().check() == "of a newer arqsvc (99_later.py); install that version"
    await rows("WITH gone AS (DELETE FROM aerich WHERE version LIKE '3\\_%' RETURNING version) SELECT * FROM gone")
    answer = await api.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"].startswith("1 missing, the first 3_")
