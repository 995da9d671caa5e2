"""Workers over HTTP: GET /api/v1/workers, and what an operator may do with one."""

from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import Operation, operation, reply
from arqsvc.contract import WorkerList, WorkerTold
from arqsvc.errors import NotFound
from arqsvc.jobs.workers import Wish, live_workers, tell_worker


@operation("workers.list", "GET", "/workers", Scope.READ, {200: WorkerList})
async def list_workers(request: Request, caller: Caller) -> Response:
    """List the live workers: where they are, what queues they serve, how many jobs they run."""
    found = await live_workers(of(request).infra.settings.lease_s)
    return reply(WorkerList(items=found))


def _tell(verb: str, wish: Wish | None, doc: str) -> Operation:
    async def told(request: Request, caller: Caller) -> Response:
        worker: str = request.path_params["worker"]
        if not await tell_worker(worker, wish):
            raise NotFound(f"There is no worker {worker[:128]!r}. GET /api/v1/workers lists those that live.")
        await of(request).queue.wake_workers()
        return reply(WorkerTold(worker=worker, wish=wish.value if wish else None), 202)

    told.__doc__ = doc
    path = f"/workers/{{worker}}/{verb}"
    return operation(f"workers.{verb}", "POST", path, Scope.OPERATE, {202: WorkerTold}, errors=(404,))(told)


drain = _tell("drain", Wish.DRAIN, "Let a worker begin no more jobs; what it runs is done, however long that takes.")
resume = _tell("resume", None, "Let a drained worker begin jobs again.")
stop = _tell(
    "stop",
    Wish.STOP,
    "End a worker in order, as by SIGTERM: what is not done in time goes back to its queue.\n\n"
    "Whoever keeps it running may start another in its place.",
)

OPERATIONS = (list_workers, drain, resume, stop)
