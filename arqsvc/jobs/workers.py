"""Workers as an operator sees them: who is alive, what each does, and what it has been told to do."""

import json
from enum import StrEnum

from arqsvc.contract import Worker
from arqsvc.infra.db import rows


class Wish(StrEnum):
    """What an operator wants of a worker."""

    DRAIN = "drain"
    """Begin no more jobs; what runs is done, however long that takes."""
    STOP = "stop"
    """End in order, as by SIGTERM; what is not done in time goes back to its queue."""


async def live_workers(lease_s: float) -> list[Worker]:
    """Return the workers whose heartbeat is fresh, by name."""
    found = await rows(
        """SELECT id, host, pid, queues, concurrency AS slots, wish, started_at, heartbeat_at,
            (SELECT count(*) FROM job WHERE job.worker = worker.id AND job.state = 'running') AS running
        FROM worker WHERE heartbeat_at > now() - make_interval(secs => $1) ORDER BY id""",
        [lease_s],
    )
    return [Worker(**{**row, "queues": json.loads(row["queues"])}) for row in found]


async def tell_worker(worker: str, wish: Wish | None) -> bool:
    """Note what a worker is to do, None for its work; returns whether there is such a worker. One that stops, stops."""
    found = await rows(
        """WITH told AS (UPDATE worker SET wish = CASE WHEN wish = 'stop' THEN wish ELSE $2 END WHERE id = $1
            RETURNING id) SELECT id FROM told""",
        [worker, wish.value if wish else None],
    )
    return bool(found)


async def wish_of(worker: str) -> Wish | None:
    """Return what a worker has been told to do."""
    found = await rows("SELECT wish FROM worker WHERE id = $1", [worker])
    return Wish(found[0]["wish"]) if found and found[0]["wish"] else None
