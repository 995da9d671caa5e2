"""The computations of a worker's jobs: each in a child process, counted, and in a span where there are spans."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from arqsvc.errors import ChildDied, OutOfMemory
from arqsvc.infra.children import OnReport
from arqsvc.infra.counts import Counts
from arqsvc.infra.pool import Pool, Usage
from arqsvc.infra.trace import Tracer, traceparent
from arqsvc.jobs import measured
from arqsvc.jobs.run import Run

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Computation:
    """One call that a job makes."""

    kind: str
    """Of the job."""
    run: Run
    memory_bytes: int
    """Its ceiling."""
    on_report: OnReport | None
    on_usage: Callable[[Usage], object]


class Children:
    """Runs the computations of one worker."""

    def __init__(self, pool: Pool, counts: Counts, tracer: Tracer | None) -> None:
        self._pool, self._counts, self._tracer = pool, counts, tracer

    async def run(self, function: Callable[..., R], args: tuple[Any, ...], call: Computation) -> R:
        """Return `function(*args)`, called in a child; as `Pool.run`."""
        if self._tracer is None:
            return await self._counted(function, args, call, call.on_usage)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        with self._tracer.span(f"compute {name}", "internal", {"arqsvc.job.kind": call.kind}) as span:

            def use(usage: Usage) -> None:
                call.on_usage(usage)
                span.set_attribute("process.pid", usage.pid)
                span.set_attribute("arqsvc.child.cpu_s", usage.cpu_s)
                span.set_attribute("arqsvc.child.peak_memory_bytes", usage.peak_memory_bytes)

            return await self._counted(function, args, call, use)

    async def _counted(
        self, function: Callable[..., R], args: tuple[Any, ...], call: Computation, on_usage: Callable[[Usage], object]
    ) -> R:
        had_child = False

        def use(usage: Usage) -> None:
            nonlocal had_child
            had_child = bool(usage.pid)
            measured.child_used(self._counts, call.kind, usage)
            on_usage(usage)

        try:
            return await self._pool.run(
                function,
                *args,
                memory_limit_bytes=call.memory_bytes,
                on_report=call.on_report,
                on_usage=use,
                trace=traceparent(),
            )
        except OutOfMemory:
            measured.child_killed(self._counts, call.kind, measured.MEMORY)
            raise
        except ChildDied:
            measured.child_killed(self._counts, call.kind, measured.DIED)
            raise
        except asyncio.CancelledError:
            if had_child:
                measured.child_killed(self._counts, call.kind, call.run.interruption or measured.CANCELLED)
            raise
