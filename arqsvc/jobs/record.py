"""The tables of jobs: the job as it stands, its attempts, events, log and needs; queues, their turns, and rates."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.fields.db_defaults import SqlDefault
from tortoise.indexes import Index, PartialIndex
from tortoise.models import Model


class State(StrEnum):
    """Where a job is; why is in `reason`."""

    BLOCKED = "blocked"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class IndexWhereSet(Index):
    """An index of those rows in which a column is not NULL."""

    def __init__(self, *, fields: tuple[str, ...], name: str, column: str, method: str = "") -> None:
        super().__init__(fields=fields, name=name)
        self.INDEX_TYPE, self.extra = method, f' WHERE "{column}" IS NOT NULL'


class IndexOfWaiting(Index):
    """An index of those jobs that are not to begin yet: of most jobs it has never an entry."""

    def __init__(self, *, fields: tuple[str, ...], name: str) -> None:
        super().__init__(fields=fields, name=name)
        self.extra = " WHERE state IN ('blocked', 'scheduled')"


class JobRecord(Model):
    """One job, as it stands."""

    id = fields.UUIDField(primary_key=True)
    project = fields.CharField(64)
    kind = fields.CharField(100)
    queue = fields.CharField(64)
    state = fields.CharEnumField(State, max_length=16)
    reason = fields.CharField(64, null=True)
    params: Any = fields.JSONField()
    result: Any = fields.JSONField(null=True)
    error: Any = fields.JSONField(null=True)
    progress: Any = fields.JSONField(null=True)
    checkpoint: Any = fields.JSONField(null=True)
    priority = fields.SmallIntField(db_default=5)
    timeout_s = fields.FloatField(null=True)
    shared = fields.CharField(255, null=True)
    limits: Any = fields.JSONField(null=True)
    tries = fields.SmallIntField()
    failures = fields.SmallIntField(db_default=0)
    losses = fields.SmallIntField(db_default=0)
    attempt = fields.IntField(db_default=0)
    dispatch = fields.IntField(db_default=0)
    seq = fields.IntField(db_default=0)
    worker = fields.CharField(128, null=True)
    created_at = fields.DatetimeField()
    queued_at = fields.DatetimeField(null=True)
    place = fields.FloatField(null=True)
    due_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    attempted_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    cancel_requested_at = fields.DatetimeField(null=True)
    cancel_reason = fields.CharField(255, null=True)
    cancel_grace_s = fields.FloatField(null=True)
    tags: Any = fields.JSONField(null=True)
    dedupe = fields.CharField(255, null=True)
    webhook: Any = fields.JSONField(null=True)
    parent_id = fields.UUIDField(null=True)
    submitted_by = fields.CharField(100, null=True)
    trace = fields.CharField(55, null=True)
    pinned = fields.BooleanField(db_default=False)

    class Meta:
        """Table and indexes."""

        table = "job"
        indexes = (
            Index(fields=("project", "id"), name="job_project"),
            PartialIndex(fields=("queued_at", "id"), name="job_queued", condition={"state": "queued"}),
            PartialIndex(fields=("queue", "priority", "place"), name="job_place", condition={"state": "queued"}),
            PartialIndex(
                fields=("queue", "project", "priority", "place"), name="job_last", condition={"state": "queued"}
            ),
            PartialIndex(fields=("due_at",), name="job_scheduled", condition={"state": "scheduled"}),
            PartialIndex(fields=("limits", "place"), name="job_blocked", condition={"state": "blocked"}),
            IndexOfWaiting(fields=("project",), name="job_waiting"),
            PartialIndex(fields=("worker",), name="job_running", condition={"state": "running"}),
            PartialIndex(fields=("kind", "shared"), name="job_sharing", condition={"state": "running"}),
            PartialIndex(fields=("project", "id"), name="job_failed", condition={"state": "failed"}),
            PartialIndex(fields=("kind", "id"), name="job_succeeded", condition={"state": "succeeded"}),
            IndexWhereSet(fields=("project", "dedupe", "state", "finished_at"), name="job_dedupe", column="dedupe"),
            IndexWhereSet(fields=("tags",), name="job_tags", column="tags", method="GIN"),
        )


class AttemptRecord(Model):
    """One attempt of a job, written when it has ended; the one that runs stands in the job's row."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="attempts", db_constraint=False, on_delete=fields.CASCADE
    )
    number = fields.IntField()
    worker = fields.CharField(128)
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)
    outcome = fields.CharField(16, null=True)
    error: Any = fields.JSONField(null=True)
    traceback = fields.TextField(null=True)
    peak_memory_bytes = fields.BigIntField(null=True)
    cpu_s = fields.FloatField(null=True)

    class Meta:
        """Table and indexes."""

        table = "attempt"
        unique_together = (("job", "number"),)


class EventRecord(Model):
    """One change of a job's state; `seq` counts from 1 without a gap.

    All changes of all jobs have the order `tx, id`: once no transaction older than `tx` is open, none comes before it.
    """

    id = fields.BigIntField(primary_key=True)
    tx = fields.BigIntField(db_default=SqlDefault("(pg_current_xact_id()::text)::bigint"))
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="events", db_constraint=False, on_delete=fields.CASCADE
    )
    seq = fields.IntField()
    at = fields.DatetimeField()
    state = fields.CharEnumField(State, max_length=16)
    reason = fields.CharField(64, null=True)
    attempt = fields.IntField()
    due_at = fields.DatetimeField(null=True)
    error: Any = fields.JSONField(null=True)

    class Meta:
        """Table and indexes."""

        table = "job_event"
        unique_together = (("job", "seq"),)
        indexes = (Index(fields=("tx", "id"), name="job_event_order"),)


class LogRecord(Model):
    """One line that an attempt of a job logged; `n` counts from 1."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="log", db_constraint=False, on_delete=fields.CASCADE
    )
    attempt = fields.IntField()
    n = fields.IntField()
    at = fields.DatetimeField()
    level = fields.CharField(16)
    message = fields.TextField()

    class Meta:
        """Table and indexes."""

        table = "job_log"
        unique_together = (("job", "attempt", "n"),)


class NeedRecord(Model):
    """One job that another needs: it must succeed before the other begins."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="needs", on_delete=fields.CASCADE
    )
    needed: fields.ForeignKeyRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="needed_by", db_constraint=False, on_delete=fields.CASCADE
    )
    """It may be deleted, once the other has ended; then this says that there was one."""

    class Meta:
        """Table and indexes."""

        table = "job_need"
        unique_together = (("job", "needed"),)
        indexes = (Index(fields=("needed_id",), name="job_need_needed"),)


class QueueMode(StrEnum):
    """What a queue does."""

    OPEN = "open"
    PAUSED = "paused"
    """Its jobs wait; new ones are taken in."""
    DRAINING = "draining"
    """Its jobs are done; new ones are refused."""


class QueueRecord(Model):
    """A queue that is not, or was not always, open."""

    name = fields.CharField(64, primary_key=True)
    mode = fields.CharEnumField(QueueMode, max_length=16)
    changed_at = fields.DatetimeField()

    class Meta:
        """Table."""

        table = "queue"


class RateRecord(Model):
    """A limit of starts in a time: when, at an even pace, the next start would be due."""

    name = fields.CharField(255, primary_key=True)
    next_at = fields.DatetimeField()

    class Meta:
        """Table."""

        table = "rate"


class TurnRecord(Model):
    """How far a queue has come: the furthest turn that has begun; see `places.py`."""

    queue = fields.CharField(64, primary_key=True)
    at = fields.FloatField()

    class Meta:
        """Table."""

        table = "turn"
