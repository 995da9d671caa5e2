"""Jobs that are deleted, with all that is kept of them, and jobs that are pinned, which are not."""

from collections.abc import Sequence
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.infra.redis import ArqRedis, best_effort
from arqsvc.infra.storage import Storage
from arqsvc.jobs.content import discard
from arqsvc.jobs.events import ABOUT, announce_deleted
from arqsvc.jobs.files import wanted


async def delete(jobs: Sequence[UUID], project: str, storage: Storage, redis: ArqRedis) -> list[UUID]:
    """Delete jobs of a project with their attempts, events, logs and files; returns those that were deleted.

    Left are those that have not ended, are pinned, or are needed by one that has not ended, or of which that names a
    file in its parameters. Content that nothing names any more goes too, see `content.py`. Followers are told.
    """
    kept = await _holding_what_is_wanted(jobs, project)
    found = await rows(
        f"""WITH gone AS (DELETE FROM job
            WHERE id = ANY($1::uuid[]) AND project = $2 AND state IN ('succeeded', 'failed', 'cancelled') AND NOT pinned
                AND NOT EXISTS (SELECT FROM job_need need JOIN job waiting ON waiting.id = need.job_id
                    WHERE need.needed_id = job.id AND waiting.state NOT IN ('succeeded', 'failed', 'cancelled'))
            RETURNING id, state, seq, {ABOUT}),
        attempts AS (DELETE FROM attempt USING gone WHERE attempt.job_id = gone.id),
        events AS (DELETE FROM job_event USING gone WHERE job_event.job_id = gone.id),
        log AS (DELETE FROM job_log USING gone WHERE job_log.job_id = gone.id)
        SELECT gone.*, ARRAY(SELECT sha256 FROM file WHERE file.job_id = gone.id) AS contents FROM gone""",
        [[job for job in jobs if job not in kept], project],
    )
    if found:
        async with best_effort("nobody is told of what was deleted"), redis.pipeline(transaction=False) as pipe:
            announce_deleted(pipe, found)
            await pipe.execute()
    if contents := {sha256 for row in found for sha256 in row["contents"]}:
        await discard(contents, storage)
    return [row["id"] for row in found]


async def _holding_what_is_wanted(jobs: Sequence[UUID], project: str) -> set[UUID]:
    """Return those of these jobs of which a job that has not ended names a file."""
    files = await rows("SELECT id, job_id FROM file WHERE job_id = ANY($1::uuid[])", [list(jobs)])
    named = await wanted([file["id"] for file in files], project)
    return {file["job_id"] for file in files if file["id"] in named}


async def pin(jobs: Sequence[UUID], *, pinned: bool) -> list[UUID]:
    """Keep jobs from being deleted, or no more; returns those that there are."""
    found = await rows(
        """WITH changed AS (UPDATE job SET pinned = $2 WHERE id = ANY($1::uuid[]) RETURNING id)
        SELECT id FROM changed""",
        [list(jobs), pinned],
    )
    return [row["id"] for row in found]
