"""How many workers each queue needs, as a number that an autoscaler reads: GET /api/v1/scaling."""

from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.queues import queue_states
from arqsvc.contract import Queue, Scaling, ScalingList
from arqsvc.errors import NotFound
from arqsvc.jobs.queues import workers_for
from arqsvc.jobs.record import QueueMode
from arqsvc.settings import Settings


@operation("scaling.list", "GET", "/scaling", Scope.READ, {200: ScalingList})
async def list_scaling(request: Request, caller: Caller) -> Response:
    """Say for each queue how many workers it needs."""
    settings = of(request).infra.settings
    return reply(ScalingList(items=[_scaling(one, settings) for one in await queue_states(request)]))


@operation("scaling.show", "GET", "/scaling/{queue}", Scope.READ, {200: Scaling}, errors=(404,))
async def show_scaling(request: Request, caller: Caller) -> Response:
    """Say how many workers a queue needs: `desired` is what KEDA's `metrics-api` reads, with a target of 1."""
    name = request.path_params["queue"]
    found = await queue_states(request)
    for one in found:
        if one.queue == name:
            return reply(_scaling(one, of(request).infra.settings))
    raise NotFound(f"There is no queue {name[:64]!r}. Queues: {', '.join(one.queue for one in found)}.")


def _scaling(state: Queue, settings: Settings) -> Scaling:
    """Return what a queue needs; while no worker serves it, one is taken to be as this process' settings say."""
    each = state.slots // state.workers if state.workers else settings.served.get(state.queue, settings.concurrency)
    waiting = 0 if state.mode == QueueMode.PAUSED.value else state.queued
    return Scaling(
        queue=state.queue, queued=state.queued, running=state.running, oldest_s=state.oldest_s, slots=state.slots,
        workers=state.workers, desired=workers_for(waiting + state.running, each),
    )  # fmt: skip


OPERATIONS = (list_scaling, show_scaling)
