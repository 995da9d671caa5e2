"""What a process of the API holds from start to end, and how a request reaches it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from arqsvc.infra import Infra
from arqsvc.infra.outward import Outward
from arqsvc.jobs.admission import Admission
from arqsvc.jobs.declare import Params
from arqsvc.jobs.hub import EventHub
from arqsvc.jobs.outlook import Outlook
from arqsvc.jobs.queue import JobQueue, known_queues
from arqsvc.jobs.quota import Quotas
from arqsvc.jobs.reasons import Reasons

if TYPE_CHECKING:  # they reach for it themselves
    from arqsvc.api.gate import Gate
    from arqsvc.api.health import Migrations
    from arqsvc.api.metrics import Service
    from arqsvc.api.observed import Seen
    from arqsvc.api.readers import Readers
    from arqsvc.api.webhook_sender import Sender


@dataclass(frozen=True, slots=True)
class Held:
    """All that handlers work with; `app.state.held` while the application is open."""

    params: Mapping[str, type[Params]]
    """The kinds of jobs, by name."""
    infra: Infra
    outward: Outward
    hub: EventHub
    queue: JobQueue
    outlook: Outlook
    quotas: Quotas
    admission: Admission
    reasons: Reasons
    gate: "Gate"
    readers: "Readers"
    sender: "Sender"
    migrations: "Migrations"
    service: "Service"
    seen: "Seen"

    @property
    def queues(self) -> list[str]:
        """The queues that these kinds use."""
        return known_queues(self.params, self.infra.settings.routed)


def of(connection: HTTPConnection) -> Held:
    """Return what the application of a request or WebSocket holds."""
    held: Held = connection.app.state.held
    return held
