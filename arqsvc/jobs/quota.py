"""How much a project may have: jobs that have not ended, and bytes of files."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from arqsvc.errors import FilesQuota, JobsQuota
from arqsvc.infra.db import rows
from arqsvc.jobs.projects import ProjectRecord
from arqsvc.settings import Settings

FRESH_S = 1.0
"""Seconds for which what was counted holds; what this process adds meanwhile is counted with it."""
RETRY_S = 5.0
MOST_COUNTED = 100_000

# Each part reads no more than this project has: what is queued queue by queue, in the order of `job_last`, so that this
# index is taken; but of what runs all, which is no more than the workers have slots. Fenced by OFFSET, or else the
# project's own index is read there, with all its jobs that have ended.
_OPEN = """WITH RECURSIVE queue(name) AS (
    (SELECT queue FROM job WHERE state = 'queued' ORDER BY queue LIMIT 1)
    UNION ALL SELECT (SELECT job.queue FROM job WHERE job.state = 'queued' AND job.queue > queue.name
        ORDER BY job.queue LIMIT 1)
    FROM queue WHERE queue.name IS NOT NULL)
SELECT count(*) AS open FROM (
    SELECT FROM queue, LATERAL (SELECT FROM job
        WHERE job.state = 'queued' AND job.queue = queue.name AND job.project >= $1 AND job.project <= $1
        ORDER BY job.project, job.priority, job.place OFFSET 0) queued
    UNION ALL SELECT FROM (SELECT project FROM job WHERE state = 'running' OFFSET 0) running WHERE project = $1
    UNION ALL SELECT FROM job WHERE state IN ('blocked', 'scheduled') AND project = $1
    LIMIT $2
) counted"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a project may have; 0 for any number."""

    jobs: int
    files_bytes: int


@dataclass(slots=True)
class _Seen:
    bounds: Bounds
    open: int
    at: float


class Quotas:
    """The bounds of all projects, as one process of the API holds to them."""

    def __init__(self, settings: Settings) -> None:
        self.default = Bounds(settings.jobs_per_project, settings.files_bytes_per_project)
        """Of a project that has none of its own."""
        self._seen: dict[str, _Seen] = {}
        self._looking = defaultdict[str, asyncio.Lock](asyncio.Lock)
        """One for each project."""

    async def look(self, project: str) -> None:
        """Read what a project may have, and how many of its jobs have not ended, unless that is known."""
        await self._look(project)

    def check(self, project: str, jobs: int) -> None:
        """Let a project submit so many jobs more; a second's worth of what other processes submit may be too many.

        What it goes by is what `look` read, with what was taken in since.

        Raises:
            JobsQuota: it would have more that have not ended than it may.
        """
        seen = self._seen[project]
        limit = seen.bounds.jobs
        if limit and jobs and seen.open + jobs > limit:
            raise JobsQuota(
                f"The project {project!r} may have {limit:,} jobs that have not ended; it has "
                f"{min(seen.open, limit):,}, and {jobs:,} more were to be submitted. Wait until some have ended, or "
                "ask the operator for more.",
                delay_s=RETRY_S, limit=limit, open=seen.open,
            )  # fmt: skip

    def take_in(self, project: str, jobs: int) -> None:
        """Count jobs that a project submits now."""
        self._seen[project].open += jobs

    async def bytes_left(self, project: str) -> int | None:
        """Return how many bytes of files a project may add; None for any number."""
        limit = (await self._look(project)).bounds.files_bytes
        return max(0, limit - await files_bytes(project)) if limit else None

    async def bounds(self, project: str) -> Bounds:
        """Return what a project may have: as it was set for it, or else for all."""
        row = await ProjectRecord.get_or_none(name=project)
        return self.bounds_in(row) if row else self.default

    def bounds_in(self, row: ProjectRecord) -> Bounds:
        """Return what the project of a row may have."""
        return Bounds(
            self.default.jobs if row.jobs_limit is None else row.jobs_limit,
            self.default.files_bytes if row.files_limit_bytes is None else row.files_limit_bytes,
        )

    async def _look(self, project: str) -> _Seen:
        async with self._looking[project]:  # one counts for all who come meanwhile
            seen, now = self._seen.get(project), asyncio.get_running_loop().time()
            if seen is None or now - seen.at > FRESH_S:
                bounds = await self.bounds(project)
                count = await open_jobs(project, bounds.jobs) if bounds.jobs else 0
                seen = self._seen[project] = _Seen(bounds, count, now)
            return seen


def no_room(left_bytes: int) -> FilesQuota:
    """Return the error of a file that is larger than what its project may add."""
    return FilesQuota(
        f"The files of this project may take {left_bytes:,} bytes more, and this is larger. Delete jobs and files, or "
        "ask the operator for more.",
        left_bytes=left_bytes,
    )


async def set_bounds(project: str, jobs: int | None, files_bytes: int | None) -> ProjectRecord:
    """Set what a project may have, 0 for any number, None for what the settings say; it holds within a second."""
    row, _ = await ProjectRecord.update_or_create(
        defaults={"jobs_limit": jobs, "files_limit_bytes": files_bytes, "changed_at": datetime.now(UTC)}, name=project
    )
    return row


async def open_jobs(project: str, most: int = MOST_COUNTED) -> int:
    """Count the jobs of a project that have not ended, up to a number."""
    return int((await rows(_OPEN, [project, most]))[0]["open"])


async def files_bytes(project: str) -> int:
    """Return how many bytes the files of a project have together, uploaded and made by jobs."""
    found = await rows("SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM file WHERE project = $1", [project])
    return int(found[0]["bytes"])
