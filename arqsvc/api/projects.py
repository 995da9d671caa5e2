"""Projects over HTTP: GET /api/v1/projects, what one has used, and its bounds."""

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.bodies import body_as
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, KeyKind, KeyRecord, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.contract import Project, ProjectList, ProjectUsage
from arqsvc.errors import NotFound
from arqsvc.jobs.projects import ProjectRecord
from arqsvc.jobs.quota import Bounds, files_bytes, open_jobs, set_bounds

NAME_LENGTH = 64


class WantedBounds(BaseModel):
    """The body of `PUT /projects/{name}`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    jobs_limit: int | None = Field(default=None, ge=0, le=2**31 - 1)
    """Most jobs that have not ended, 0 for any number. Default: what the service's settings say."""
    files_limit_bytes: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """Most bytes of its files, 0 for any number. Default: what the service's settings say."""


@operation("projects.list", "GET", "/projects", Scope.ADMIN, {200: ProjectList})
async def list_projects(request: Request, caller: Caller) -> Response:
    """List the projects that have keys or bounds, with what they may have."""
    quotas = of(request).quotas
    rows = {row.name: row for row in await ProjectRecord.all()}
    with_keys = await KeyRecord.filter(kind=KeyKind.KEY).distinct().values_list("project", flat=True)
    default = quotas.default
    return reply(
        ProjectList(
            items=[
                Project(**_shown(name, quotas.bounds_in(rows[name]) if name in rows else default))
                for name in sorted({*rows, *map(str, with_keys)})
            ]
        )
    )


@operation("projects.self", "GET", "/projects/self", Scope.READ, {200: ProjectUsage})
async def show_own(request: Request, caller: Caller) -> Response:
    """Return what the caller's project may have, and what it has."""
    bounds = await of(request).quotas.bounds(caller.project)
    jobs, size = await open_jobs(caller.project), await files_bytes(caller.project)
    return reply(ProjectUsage(**_shown(caller.project, bounds), jobs_open=jobs, files_bytes=size))


@operation(
    "projects.bound", "PUT", "/projects/{name}", Scope.ADMIN, {200: Project}, body=WantedBounds, errors=(404,)
)  # fmt: skip
async def bound(request: Request, caller: Caller) -> Response:
    """Say what a project may have; it holds within a second, for what comes from then on."""
    asked = await body_as(WantedBounds, request)
    name: str = request.path_params["name"]
    if len(name) > NAME_LENGTH:
        raise NotFound(f"No project is called {name[:80]!r}: a name has at most {NAME_LENGTH} characters.")
    request.state.audit = asked.model_dump(mode="json")
    row = await set_bounds(name, asked.jobs_limit, asked.files_limit_bytes)
    return reply(Project(**_shown(name, of(request).quotas.bounds_in(row))))


def _shown(name: str, bounds: Bounds) -> dict[str, object]:
    return {"name": name, "jobs_limit": bounds.jobs or None, "files_limit_bytes": bounds.files_bytes or None}


OPERATIONS = (list_projects, show_own, bound)
