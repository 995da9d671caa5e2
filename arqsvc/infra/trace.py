"""Which trace the work of a task belongs to, and its spans, where OpenTelemetry is to have them.

A trace goes from process to process as text, the `traceparent` of W3C Trace Context. OpenTelemetry is imported only
where there is an address to send spans to; without one a trace that comes with a request is handed on all the same.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from arqsvc import __version__
from arqsvc.logs import bind

if TYPE_CHECKING:
    from opentelemetry.trace import Span

logger = logging.getLogger(__name__)

NOT_INSTALLED = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but no spans are made: OpenTelemetry is not installed; install arqsvc[otel]"
)
FLUSH_S = 3.0
"""Longest time that the last spans of a process get to be sent."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?:-.*)?")

_current: ContextVar[str | None] = ContextVar("arqsvc_trace", default=None)


def traceparent() -> str | None:
    """Return the trace, and the span in it, that the current task works for; None for none."""
    return _current.get()


def parse(text: str) -> str | None:
    """Return what is meant by a header `traceparent`, None if it is none.

    >>> parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later")
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    """
    found = _TRACEPARENT.fullmatch(text.strip())
    return f"00-{found[1]}" if found else None


def trace_id(trace: str) -> str:
    """Return the id of the trace alone."""
    return trace[3:35]


def join(trace: str) -> None:
    """Let the current task, and the tasks that it starts, work for this span; their log lines name the trace."""
    _current.set(trace)
    bind(trace_id=trace_id(trace))


class Tracer:
    """Makes the spans of one process, and sends them from a thread of its own; `open_tracer` makes it."""

    def __init__(self, provider: Any) -> None:
        self._tracer = provider.get_tracer("arqsvc", __version__)

    @contextmanager
    def span(self, name: str, kind: str, attributes: Mapping[str, Any]) -> Iterator["Span"]:
        """Make a span of the block, below the one that the task works for, and work for it meanwhile.

        Args:
            name: what is done, of few different ones.
            kind: server, consumer or internal.
            attributes: of the span; those whose value is None are left out.
        """
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        before = _current.get()
        given = {key: value for key, value in attributes.items() if value is not None}
        above = TraceContextTextMapPropagator().extract({"traceparent": before} if before else {})
        span = self._tracer.start_span(name, above, SpanKind[kind.upper()], given)
        own = span.get_span_context()
        if own.is_valid:
            join(f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}")
        try:
            yield span
        except Exception as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()
            _current.set(before)


def failed(span: "Span", why: str) -> None:
    """Mark what a span is about as failed."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, why))


@asynccontextmanager
async def open_tracer(endpoint: str | None) -> AsyncIterator[Tracer | None]:
    """Send spans to this address, by OTLP over HTTP, for the block; None without one, or without OpenTelemetry.

    An address alone refuses no start: the variable may be there for other programs. What else there is to say about
    spans is in OpenTelemetry's own variables: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and
    so on.
    """
    if endpoint is None:
        yield None
        return
    try:
        provider, exporter = await asyncio.to_thread(_provider, endpoint)
    except ImportError:
        logger.warning(NOT_INSTALLED, extra={"endpoint": endpoint})
        yield None
        return
    logger.info("spans are sent", extra={"endpoint": endpoint})
    try:
        yield Tracer(provider)
    finally:
        try:
            async with asyncio.timeout(FLUSH_S):
                await asyncio.to_thread(provider.force_flush)
        except TimeoutError:
            logger.warning("the last spans are not sent", extra={"endpoint": endpoint})
            exporter.shutdown()  # which ends its tries; open-telemetry/opentelemetry-python issue 4568
        await asyncio.to_thread(provider.shutdown)


def _provider(endpoint: str) -> tuple[Any, Any]:
    """Return what makes spans and what sends them."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "arqsvc"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter
