"""Jobs that are deleted, with all that is kept of them, files, and jobs that are pinned, which are not."""

from collections.abc import Collection, Sequence
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.infra.storage import Storage
from arqsvc.jobs.files import named_no_more


async def delete(jobs: Sequence[UUID], storage: Storage) -> list[UUID]:
    """Delete jobs with their attempts, events, logs and files; returns those that were deleted.

    Left are those that have not ended, are pinned, or are needed by one that has not ended. Content that no file names
    any more is removed from storage, unless it was stored within the last day: a job that runs may be about to name it.
    """
    found = await rows(
        """WITH gone AS (DELETE FROM job
            WHERE id = ANY($1::uuid[]) AND state IN ('succeeded', 'failed', 'cancelled') AND NOT pinned
                AND NOT EXISTS (SELECT FROM job_need need JOIN job waiting ON waiting.id = need.job_id
                    WHERE need.needed_id = job.id AND waiting.state NOT IN ('succeeded', 'failed', 'cancelled'))
            RETURNING id),
        attempts AS (DELETE FROM attempt USING gone WHERE attempt.job_id = gone.id),
        events AS (DELETE FROM job_event USING gone WHERE job_event.job_id = gone.id),
        log AS (DELETE FROM job_log USING gone WHERE job_log.job_id = gone.id)
        SELECT gone.id, array_agg(file.sha256) FILTER (WHERE file.id IS NOT NULL) AS contents
        FROM gone LEFT JOIN file ON file.job_id = gone.id GROUP BY gone.id""",
        [list(jobs)],
    )
    await _discard({sha256 for row in found for sha256 in row["contents"] or ()}, storage)
    return [row["id"] for row in found]


async def delete_files(files: Sequence[UUID], storage: Storage) -> None:
    """Delete files that were stored for nothing; their content as that of jobs that are deleted."""
    found = await rows(
        """WITH gone AS (DELETE FROM file WHERE id = ANY($1::uuid[]) RETURNING sha256) SELECT sha256 FROM gone""",
        [list(files)],
    )
    await _discard({row["sha256"] for row in found}, storage)


async def _discard(contents: Collection[str], storage: Storage) -> None:
    for sha256 in await named_no_more(contents):
        await storage.discard(sha256)


async def pin(jobs: Sequence[UUID], *, pinned: bool) -> list[UUID]:
    """Keep jobs from being deleted, or no more; returns those that there are."""
    found = await rows(
        """WITH changed AS (UPDATE job SET pinned = $2 WHERE id = ANY($1::uuid[]) RETURNING id)
        SELECT id FROM changed""",
        [list(jobs), pinned],
    )
    return [row["id"] for row in found]
