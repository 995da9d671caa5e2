"""Which jobs somebody who follows the fleet wants to hear of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tortoise.queryset import QuerySet

from arqsvc.jobs.events import Event
from arqsvc.jobs.record import JobRecord, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs' events a follower wants, of one project; an empty set wants all."""

    project: str
    kinds: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    """States that a job comes to; progress is of a running one."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def has(self, event: Event) -> bool:
        """Whether it wants this event."""
        job = event.about
        assert job
        return (
            job.project == self.project
            and (not self.kinds or job.kind in self.kinds)
            and (not self.queues or job.queue in self.queues)
            and (not self.states or event.data.get("state", State.RUNNING) in self.states)
            and (not self.tags or self.tags.items() <= (job.tags or {}).items())
        )

    def among(self, jobs: QuerySet[JobRecord]) -> QuerySet[JobRecord]:
        """Return those of these jobs that it wants."""
        jobs = jobs.filter(project=self.project)
        for column, values in (("kind", self.kinds), ("queue", self.queues), ("state", self.states)):
            if values:
                jobs = jobs.filter(**{f"{column}__in": list(values)})
        return jobs.filter(tags__contains=dict(self.tags)) if self.tags else jobs
