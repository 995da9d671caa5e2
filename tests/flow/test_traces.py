"""One trace from the request through the attempt to the child, as a loopback receiver of OTLP sees it."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from arqsvc.cli.instance import listening_on, serving
from arqsvc.infra.trace import NOT_INSTALLED, open_tracer, parse
from arqsvc.jobs.record import JobRecord
from arqsvc.settings import Settings
from tests.flow import kinds, watched
from tests.servers import worker_process
from tests.service import Service, open_service

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


@dataclass
class Receiver:
    """What has arrived."""

    url: str = ""
    services: set[str] = field(default_factory=set)
    spans: list[Any] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        sent = ExportTraceServiceRequest.FromString(await request.body())
        for part in sent.resource_spans:
            self.services |= {
                str(each.value.string_value) for each in part.resource.attributes if each.key == "service.name"
            }
            self.spans += [span for scope in part.scope_spans for span in scope.spans]
        return Response(b"", media_type="application/x-protobuf")

    def one(self, name: str) -> Any:
        """Return the one span of the trace that has this name."""
        (found,) = [span for span in self.spans if span.name == name and span.trace_id.hex() == TRACE]
        return found


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/v1/traces", receiver.take, methods=["POST"])])
    with listening_on("127.0.0.1", 0) as listening:
        async with serving(app, listening) as receiver.url:
            yield receiver


def facts(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


async def test_one_trace_goes_from_the_request_through_the_attempt_to_the_child(
    settings: Settings, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    async with receiving() as receiver:
        traced = settings.model_copy(update={"otlp_endpoint": receiver.url, "log_file": log})
        worker = worker_process(traced, "tests.flow.watched")
        async with open_service(traced, {**kinds.PARAMS, **watched.PARAMS}) as service, worker:
            answer = await service.http.post("/jobs/test.trace", json={"params": {}}, headers=HEADERS)
            job = await service.client.result(answer.json()["id"])
            await service.ended("test.fail", {"how": "failed"})  # in a trace of its own
    asked, ran, computed = map(receiver.one, ("jobs.submit", "run test.trace", "compute getenv"))
    assert asked.parent_span_id.hex() == CALLER
    assert ran.parent_span_id == asked.span_id
    assert computed.parent_span_id == ran.span_id
    assert job["result"]["text"] == f"00-{TRACE}-{computed.span_id.hex()}-01"
    assert facts(asked)["http.response.status_code"] == 202
    assert facts(ran)["arqsvc.job.id"] == job["id"]
    assert (facts(ran)["arqsvc.job.outcome"], facts(ran)["arqsvc.job.attempt"]) == ("succeeded", 1)
    used = facts(computed)
    assert used["process.pid"] > 1
    assert used["arqsvc.child.cpu_s"] == job["attempts"][0]["cpu_s"]
    assert used["arqsvc.child.peak_memory_bytes"] == job["attempts"][0]["peak_memory_bytes"]
    assert receiver.services == {"arqsvc"}
    (failed,) = [span for span in receiver.spans if span.name == "run test.fail"]
    assert (failed.status.code, failed.status.message) == (2, "bad_input")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {
        line["trace_id"] for line in lines if line.get("job_id") == job["id"] and line["message"] == "job started"
    } == {TRACE}


async def test_a_trace_that_comes_is_handed_on_where_no_spans_are_made(api: Service) -> None:
    answer = await api.http.post("/jobs/test.say", json={"params": {"text": "x"}}, headers=HEADERS)
    assert (await JobRecord.get(id=UUID(answer.json()["id"]))).trace == HEADERS["traceparent"]
    plain = await api.client.submit("test.say", {"text": "x"})
    assert (await JobRecord.get(id=UUID(plain["id"]))).trace is None
    problem = (await api.http.get("/jobs/none", headers=HEADERS)).json()
    assert problem["trace_id"] == TRACE
    assert "trace_id" not in (await api.http.get("/jobs/none")).json()


async def test_an_address_without_opentelemetry_is_said_and_refuses_no_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    async with open_tracer("http://x") as tracer:
        assert tracer is None
    assert caplog.messages == [NOT_INSTALLED]


def test_the_standard_variable_is_read() -> None:
    assert Settings.read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318"}).otlp_endpoint == "http://x:4318"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}",
    ],
)
def test_what_is_no_trace_is_none(text: str) -> None:
    assert parse(text) is None
