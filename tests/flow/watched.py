"""`python -m tests.flow.watched`: as `tests.flow.worker`, with jobs that ask outside services and see their trace."""

import asyncio
import os
from urllib.parse import urlsplit

from arqsvc.infra.budget import Budget
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Params, job
from tests.flow.kinds import JOBS, QUICK, Said
from tests.flow.worker import work


class Ask(Params, kind="test.ask", result=Said, queue="test", retries=QUICK):
    """Ask an address several times, once a second at most."""

    url: str
    times: int


@job(Ask)
async def ask(ctx: JobContext, params: Ask) -> Said:
    budget = Budget(urlsplit(params.url).netloc, per_s=1)
    texts = [(await ctx.http.get(params.url, budget=budget)).body.decode() for _ in range(params.times)]
    return Said(text="".join(texts))


class Trace(Params, kind="test.trace", result=Said, queue="test", retries=QUICK):
    """Say the trace that its computation belongs to."""


@job(Trace)
async def trace(ctx: JobContext, params: Trace) -> Said:
    return Said(text=str(await ctx.compute(os.getenv, "TRACEPARENT")))


WATCHED = {one.params.kind: one for one in (ask, trace) if isinstance(one, Job)}
PARAMS = {kind: one.params for kind, one in WATCHED.items()}


if __name__ == "__main__":
    asyncio.run(work({**JOBS, **WATCHED}))
