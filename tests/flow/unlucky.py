"""`python -m tests.flow.unlucky`: as `tests.flow.worker`, with jobs that harm their worker."""

import asyncio
import os
from pathlib import Path
from signal import SIGKILL

from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import Job, Params, job
from tests.flow.child_work import until_there
from tests.flow.kinds import JOBS, QUICK, Said
from tests.flow.worker import work


class Block(Params, kind="test.block", result=Said, queue="test", timeout_s=60, retries=QUICK):
    """Publish a file, and wait until another exists; the first attempt holds up the event loop meanwhile."""

    folder: Path


@job(Block)
async def block(ctx: JobContext, params: Block) -> Said:
    step = f"attempt {ctx.attempt}"
    await ctx.progress(step, 1, 2)
    path = ctx.scratch / f"{ctx.attempt}.txt"
    path.write_text(step)
    await ctx.publish(path)
    (params.folder / f"began-{ctx.attempt}").touch()
    go = params.folder / f"go-{ctx.attempt}"
    if ctx.attempt == 1:
        until_there(go)
    else:
        await ctx.compute(until_there, go)
    await ctx.progress(step, 2, 2)
    return Said(text=step)


class Kill(Params, kind="test.kill", result=Said, queue="test", retries=QUICK):
    """Kill the worker."""


@job(Kill)
async def kill(ctx: JobContext, params: Kill) -> Said:
    os.kill(os.getpid(), SIGKILL)
    return Said(text="unreachable")


UNLUCKY = {one.params.kind: one for one in (block, kill) if isinstance(one, Job)}
PARAMS = {kind: one.params for kind, one in UNLUCKY.items()}


if __name__ == "__main__":
    asyncio.run(work({**JOBS, **UNLUCKY}))
