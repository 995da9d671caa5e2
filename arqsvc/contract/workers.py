"""Workers."""

from datetime import datetime
from typing import Literal

from arqsvc.contract.answer import Answer


class Worker(Answer):
    """One worker process as it stands."""

    id: str
    host: str
    pid: int
    queues: list[str]
    slots: int
    """Jobs that it runs at a time, at most."""
    running: int
    wish: Literal["drain", "stop"] | None
    """What it has been told to do."""
    started_at: datetime
    heartbeat_at: datetime


class WorkerList(Answer):
    """The live workers."""

    items: list[Worker]


class WorkerTold(Answer):
    """What a worker has been told to do."""

    worker: str
    wish: Literal["drain", "stop"] | None
