"""A bare Starlette route, to measure beside: `... ADDRESS HOW`; it writes its port into a file once it answers.

It runs in an environment of its own. The body is validated by pydantic, the answer is 202 with an id. HOW it comes by
that id: `nothing` (a random one), `delay` (Celery's, in the route, which stands still meanwhile) or `thread` (Celery's
in a thread of the pool, as a `def` route of FastAPI runs).
"""
# mypy: ignore-errors
# its packages are in an environment of their own

import asyncio
import gc
import json
import os
import socket
import sys
from pathlib import Path
from signal import SIGTERM
from uuid import uuid4

import uvicorn
import uvloop
from celery import Celery
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

celery = Celery(broker=f"redis+socket://{os.environ['BARE_REDIS']}?virtual_host=0")
celery.conf.update(task_ignore_result=True)


@celery.task(name="stroll")
def stroll(turns, pause_s):
    """Stand in a queue."""


class Stroll(BaseModel):
    """What the job takes."""

    model_config = ConfigDict(extra="forbid")

    turns: int
    pause_s: float


class Submission(BaseModel):
    """The body."""

    model_config = ConfigDict(extra="forbid")

    params: Stroll


async def by_nothing(params):
    return str(uuid4())


async def by_delay(params):
    return stroll.delay(params.turns, params.pause_s).id


async def by_thread(params):
    return (await run_in_threadpool(stroll.delay, params.turns, params.pause_s)).id


WAYS = {"nothing": by_nothing, "delay": by_delay, "thread": by_thread}


async def main(address, how):
    async def submit(request):
        try:
            given = Submission.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(), 422, media_type="application/json")
        job = await WAYS[how](given.params)
        return JSONResponse({"id": job, "state": "queued"}, 202, {"Location": f"/jobs/{job}"})

    app = Starlette(routes=[Route("/api/v1/jobs/bench.stroll", submit, methods=["POST"])])
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    gc.collect()  # as ours does it
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(SIGTERM, lambda: sys.exit(0))
    new = Path(address).with_suffix(".new")
    new.write_text(json.dumps(listening.getsockname()[1]))
    new.replace(address)
    await server.serve(sockets=[listening])


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
