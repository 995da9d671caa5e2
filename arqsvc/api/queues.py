"""Queues over HTTP: GET /api/v1/queues, and what an operator may do with one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import Reason, body_as
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import Operation, operation, reply
from arqsvc.contract import Queue, QueueChanged, QueueList, QueuePurged
from arqsvc.errors import NotFound
from arqsvc.jobs.queues import states
from arqsvc.jobs.record import QueueMode


@operation("queues.list", "GET", "/queues", Scope.READ, {200: QueueList})
async def list_queues(request: Request, caller: Caller) -> Response:
    """List the queues: the mode of each, how many jobs it holds, how old they are, how fast it moves."""
    return reply(QueueList(items=await queue_states(request)))


async def queue_states(request: Request) -> list[Queue]:
    """Return how the queues stand."""
    held = of(request)
    return await states(held.infra.redis, held.queues, held.infra.settings.lease_s)


def _change(verb: str, mode: QueueMode, doc: str) -> Operation:
    async def changed(request: Request, caller: Caller) -> Response:
        queue = _known(request)
        await of(request).queue.set_mode(queue, mode)
        return reply(QueueChanged(queue=queue, mode=mode.value))

    changed.__doc__ = doc
    path = f"/queues/{{queue}}/{verb}"
    return operation(f"queues.{verb}", "POST", path, Scope.OPERATE, {200: QueueChanged}, errors=(404,))(changed)


pause = _change("pause", QueueMode.PAUSED, "Start no more jobs of a queue; it takes in new ones, and they wait.")
resume = _change("resume", QueueMode.OPEN, "Go on with a queue, and take in new jobs.")
drain = _change("drain", QueueMode.DRAINING, "Take in no new jobs of a queue; those that are there are done.")


@operation(
    "queues.purge", "POST", "/queues/{queue}/purge", Scope.OPERATE, {200: QueuePurged},
    body=Reason, body_needed=False, errors=(404,), examples={"with a reason": {"reason": "wrong parameters"}},
)  # fmt: skip
async def purge(request: Request, caller: Caller) -> Response:
    """Cancel all that waits in a queue, of every project."""
    asked = await body_as(Reason, request, empty={})
    queue = _known(request)
    why = {"reason": asked.reason} if asked.reason else {}
    told: dict[str, Any] = {**why, "purged": 0}
    request.state.audit, request.state.concerned = told, dict[str, dict[str, Any]]()
    async for page in of(request).queue.purge(queue, asked.reason):
        told["purged"] += page.total()
        for project, jobs in page.items():  # each project sees what became of its own
            request.state.concerned.setdefault(project, {**why, "purged": 0})["purged"] += jobs
    return reply(QueuePurged(queue=queue, purged=told["purged"]))


def _known(request: Request) -> str:
    queue: str = request.path_params["queue"]
    known = of(request).queues
    if queue not in known:
        raise NotFound(f"There is no queue {queue[:64]!r}. Queues: {', '.join(known)}.")
    return queue


OPERATIONS = (list_queues, pause, resume, drain, purge)
