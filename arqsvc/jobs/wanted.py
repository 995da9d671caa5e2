"""Which jobs somebody who follows the fleet wants to hear of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from tortoise.queryset import QuerySet

from arqsvc.errors import InvalidParams
from arqsvc.jobs.events import Event
from arqsvc.jobs.record import JobRecord, State

TAG = "tag."
"""How the name of a query parameter begins that filters by a tag."""


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class Filter(BaseModel):
    """Jobs that fit all of what is given: `?state=failed,cancelled&kind=x.y&tag.k=v`, or as JSON with `tags`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Annotated[tuple[State, ...], BeforeValidator(_listed)] | None = None
    kind: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = None
    queue: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = None
    tags: Mapping[str, str] | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Return the filter that the parameters of a query make.

        Raises:
            InvalidParams: one does not fit, or there is no such.
        """
        given: dict[str, Any] = {name: value for name, value in query.items() if not name.startswith(TAG)}
        if tags := {name.removeprefix(TAG): value for name, value in query.items() if name.startswith(TAG)}:
            given["tags"] = tags
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            faults = [
                {"pointer": f"/{fault['loc'][0]}", "detail": fault["msg"]}
                for fault in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise InvalidParams(f"{faults[0]['pointer']}: {faults[0]['detail']}.", errors=faults) from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """Jobs of one project that fit a filter."""

    project: str
    filter: Filter

    def has(self, event: Event) -> bool:
        """Whether this is an event of one of them; progress is of a running job."""
        job, wants = event.about, self.filter
        assert job
        return (
            job.project == self.project
            and (wants.kind is None or job.kind in wants.kind)
            and (wants.queue is None or job.queue in wants.queue)
            and (wants.state is None or event.data.get("state", State.RUNNING) in wants.state)
            and (wants.tags is None or wants.tags.items() <= (job.tags or {}).items())
        )

    def among(self, jobs: QuerySet[JobRecord]) -> QuerySet[JobRecord]:
        """Return those of these jobs that are wanted."""
        jobs, wants = jobs.filter(project=self.project), self.filter
        for column, values in (("kind", wants.kind), ("queue", wants.queue), ("state", wants.state)):
            if values is not None:
                jobs = jobs.filter(**{f"{column}__in": list(values)})
        return jobs.filter(tags__contains=dict(wants.tags)) if wants.tags else jobs
