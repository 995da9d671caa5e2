"""Jobs and files as clients see them: rows of the ledger as the types of the contract."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from arqsvc.contract import Attempt, File, Job, Progress, Submitted, Warned
from arqsvc.contract import Need as ShownNeed
from arqsvc.infra import Infra
from arqsvc.jobs.files import FileRecord
from arqsvc.jobs.move import Written
from arqsvc.jobs.new import NewJob
from arqsvc.jobs.progress import PROGRESS, latest_progress
from arqsvc.jobs.record import AttemptRecord, JobRecord, State
from arqsvc.jobs.waiting import Need, needs_of


async def shown_jobs(infra: Infra, jobs: Sequence[JobRecord]) -> list[Job]:
    """Return jobs with their attempts, files and latest progress."""
    ids = [job.id for job in jobs]
    attempts = await AttemptRecord.filter(job_id__in=ids).order_by("number") if ids else []
    files = await FileRecord.filter(job_id__in=ids).order_by("name") if ids else []
    needs = await needs_of(ids) if ids else []
    progress = await latest_progress(infra.redis, jobs)
    need, attempt, file = _by_job(needs, "job"), _by_job(attempts, "job_id"), _by_job(files, "job_id")
    return [shown_job(job, need[job.id], attempt[job.id], file[job.id], progress.get(job.id)) for job in jobs]


def _by_job(found: Iterable[Any], name: str) -> Mapping[UUID, list[Any]]:
    """Return what was read by the job that its attribute of this name says, in the order in which it came."""
    by_job = defaultdict[UUID, list[Any]](list)
    for each in found:
        by_job[getattr(each, name)].append(each)
    return by_job


def shown_job(
    job: JobRecord,
    needs: Iterable[Need] = (),
    attempts: Iterable[AttemptRecord] = (),
    files: Iterable[FileRecord] = (),
    kept: Mapping[str, Any] | None = None,
) -> Job:
    """Return one job with what was read of it."""
    return Job(
        id=job.id,
        kind=job.kind,
        state=job.state.value,
        reason=job.reason,
        params=job.params,
        result=job.result,
        error=job.error,
        progress=Progress(**{name: kept["last"][name] for name in PROGRESS}) if kept else None,
        attempt=job.attempt,
        tries=job.tries,
        queue=job.queue,
        priority=job.priority,
        tags=job.tags or {},
        parent_id=job.parent_id,
        submitted_by=job.submitted_by,
        pinned=job.pinned,
        created_at=job.created_at,
        due_at=job.due_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancel_requested_at=job.cancel_requested_at,
        cancel_reason=job.cancel_reason,
        needs=_shown_needs(needs),
        attempts=[shown_attempt(attempt) for attempt in (*attempts, *running(job))],
        files=[shown_file(file) for file in files],
    )


def shown_new(new: NewJob, written: Written, needs: Iterable[Need], warnings: list[Warned]) -> Submitted:
    """Return a job as it was written just now; all of it is ours, and is not checked again."""
    return Submitted.model_construct(
        id=new.id, kind=new.kind, state=written.state.value, reason=None, params=dict(new.params), result=None,
        error=None, progress=None, attempt=0, tries=new.tries, queue=new.queue, priority=new.priority,
        tags=dict(new.tags or {}), parent_id=new.parent, submitted_by=new.submitted_by, pinned=False,
        created_at=written.created_at, due_at=written.due_at, started_at=None, finished_at=None,
        cancel_requested_at=None, cancel_reason=None, needs=_shown_needs(needs), attempts=[], files=[],
        warnings=warnings,
    )  # fmt: skip


def _shown_needs(needs: Iterable[Need]) -> list[ShownNeed]:
    return [ShownNeed(id=need.id, kind=need.kind, state=need.state.value) for need in needs]


def running(job: JobRecord) -> list[AttemptRecord]:
    """Return the attempt that runs, which has no row yet."""
    if job.state != State.RUNNING:
        return []
    return [AttemptRecord(number=job.attempt, worker=job.worker, started_at=job.attempted_at)]


async def shown_attempts(job: JobRecord) -> list[Attempt]:
    """Return the attempts of a job, the one that runs included."""
    ended = await AttemptRecord.filter(job_id=job.id).order_by("number")
    return [shown_attempt(attempt) for attempt in (*ended, *running(job))]


def shown_attempt(attempt: AttemptRecord) -> Attempt:
    """Return one attempt; its traceback stays with the operator."""
    return Attempt(
        number=attempt.number,
        worker=attempt.worker,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        outcome=attempt.outcome,
        error=attempt.error,
        peak_memory_bytes=attempt.peak_memory_bytes,
        cpu_s=attempt.cpu_s,
    )


def shown_file(file: FileRecord) -> File:
    """Return a stored file."""
    return File(
        id=file.id,
        name=file.name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        created_at=file.created_at,
        job_id=file.job_id,  # type: ignore[attr-defined]
        href=f"/api/v1/files/{file.id}",
    )
