"""A failed or cancelled job once more: the same row, with all its tries, taken in as a new one would be."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from arqsvc.errors import Conflict
from arqsvc.infra.db import rows, transaction
from arqsvc.jobs import ledger
from arqsvc.jobs.admission import Admission
from arqsvc.jobs.dedupe import check_alone
from arqsvc.jobs.queue import not_possible

logger = logging.getLogger(__name__)

# What a need names and is not there any more was deleted: the row of the need stays.
_AGAIN = """WITH RECURSIVE again(id, depth) AS (
    SELECT id, 0 FROM job WHERE id = $1 AND state IN ('failed', 'cancelled')
    UNION ALL SELECT needed.id, again.depth + 1
    FROM again JOIN job_need need ON need.job_id = again.id JOIN job needed ON needed.id = need.needed_id
    WHERE needed.state IN ('failed', 'cancelled'))
SELECT job.id, job.project, job.kind, job.queue, job.dedupe,
    EXISTS (SELECT FROM job_need need WHERE need.job_id = job.id
        AND NOT EXISTS (SELECT FROM job needed WHERE needed.id = need.needed_id)) AS lacks,
    EXISTS (SELECT FROM job_need need JOIN job needed ON needed.id = need.needed_id
        WHERE need.job_id = job.id AND needed.cancel_requested_at IS NOT NULL
            AND needed.state NOT IN ('succeeded', 'failed', 'cancelled')) AS waits
FROM (SELECT id, max(depth) AS depth FROM again GROUP BY id) each JOIN job ON job.id = each.id
ORDER BY each.depth DESC, job.id"""


async def retry(admission: Admission, job: UUID) -> None:
    """Queue a failed or cancelled job again, with all its tries; and before it, what it needs and has not.

    Raises:
        Conflict: the job is in another state; what it needs is deleted, or just being cancelled; its queue takes in no
            new jobs.
        Duplicate: another job does its work by now.
        JobsQuota, QueueFull: the project, or the queue, has as many jobs as it may.
    """
    again = await rows(_AGAIN, [job])
    if not again:
        raise await _state_forbids(job)
    _check_needs(job, again)
    project, queues = again[-1]["project"], [each["queue"] for each in again]
    await admission.look(project, queues)
    async with transaction():
        for each in again:
            if each["dedupe"]:
                await check_alone(each["id"], project, each["kind"], each["dedupe"])
        admission.take_in(project, queues)
        moved = [await ledger.retry(each["id"]) for each in again]
        if not moved[-1]:
            raise await _state_forbids(job)
    logger.info("job retried by a user", extra={"job_id": job})
    await admission.queue.deliver(each for each in moved if each)


def _check_needs(job: UUID, again: Sequence[Mapping[str, Any]]) -> None:
    for each in again:
        if each["lacks"]:
            raise Conflict(
                f"What job {each['id']} needed is deleted, so it cannot be retried. Use rerun on job {job}: that "
                "submits all of it anew."
            )
        if each["waits"]:
            raise Conflict(f"What job {each['id']} needs is just being cancelled. Retry it in a moment.")


async def _state_forbids(job: UUID) -> Conflict:
    return await not_possible(job, "retried", "Only a failed or cancelled job can; submit a new one.")
