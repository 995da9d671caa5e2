"""The computations of one attempt: each in a child process, counted, and in a span of its own where there are spans."""

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
class Children:
    """Where the computations of one attempt run."""

    pool: Pool
    memory_bytes: int
    """Ceiling of each."""
    kind: str
    """Of the job."""
    counts: Counts
    tracer: Tracer | None

    async def run(
        self,
        function: Callable[..., R],
        args: tuple[Any, ...],
        run: Run,
        on_report: OnReport | None,
        on_usage: Callable[[Usage], object],
    ) -> R:
        """Return `function(*args)`, called in a child; as `Pool.run`."""
        if self.tracer is None:
            return await self._counted(function, args, run, on_report, on_usage)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        with self.tracer.span(f"compute {name}", "internal", {"arqsvc.job.kind": self.kind}) as span:

            def use(usage: Usage) -> None:
                on_usage(usage)
                span.set_attribute("process.pid", usage.pid)
                span.set_attribute("arqsvc.child.cpu_s", usage.cpu_s)
                span.set_attribute("arqsvc.child.peak_memory_bytes", usage.peak_memory_bytes)

            return await self._counted(function, args, run, on_report, use)

    async def _counted(
        self,
        function: Callable[..., R],
        args: tuple[Any, ...],
        run: Run,
        on_report: OnReport | None,
        on_usage: Callable[[Usage], object],
    ) -> R:
        had_child = False

        def use(usage: Usage) -> None:
            nonlocal had_child
            had_child = bool(usage.pid)
            measured.child_used(self.counts, self.kind, usage)
            on_usage(usage)

        try:
            return await self.pool.run(
                function,
                *args,
                memory_limit_bytes=self.memory_bytes,
                on_report=on_report,
                on_usage=use,
                trace=traceparent(),
            )
        except OutOfMemory:
            measured.child_killed(self.counts, self.kind, measured.MEMORY)
            raise
        except ChildDied:
            measured.child_killed(self.counts, self.kind, measured.DIED)
            raise
        except asyncio.CancelledError:
            if had_child:
                measured.child_killed(self.counts, self.kind, run.interruption or measured.CANCELLED)
            raise
