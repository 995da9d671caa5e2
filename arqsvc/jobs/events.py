"""What followers are told: changes of state, which are rows, and progress, which runs through one capped Redis stream.

An event's id is `seq` for the change of state number `seq` of its job, and `seq.n` for the n-th piece of progress
after it; so ids of one job are in order, and a follower that was away says the last one it saw. All changes of all jobs
are in the order of their cursors. A change of state is announced in the stream too, and looked for every 2 s, so that
an emptied Redis delays it and loses none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple
from uuid import UUID

from arqsvc.errors import InvalidParams
from arqsvc.infra.redis import to_json
from arqsvc.jobs.filters import Facts
from arqsvc.jobs.move import Moved
from arqsvc.jobs.record import State

STREAM = "arqsvc:events"
STREAM_LENGTH = 5_000
"""Entries of the stream that are kept, for readers that are slow."""
ENTRY = 100
"""Most changes of state that are told in one entry."""
LOOK_S = 2.0
"""Seconds after which a process looks for rows that nobody announced."""
LARGEST = 2**63 - 1
ABOUT = "job.project, job.kind, job.queue, job.tags, job.created_at, job.parent_id, job.submitted_by"


def rfc3339(time: datetime | None) -> str | None:
    """Return a time in UTC as clients see it, RFC 3339."""
    return time.isoformat().replace("+00:00", "Z") if time else None


class EventId(NamedTuple):
    """Where in a job's story an event stands."""

    seq: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}" if self.n else str(self.seq)

    @classmethod
    def parse(cls, text: str, pointer: str = "/after") -> "EventId":
        """Return the id that `text` shows.

        Raises:
            InvalidParams: it shows none.
        """
        seq, _, n = text.strip().partition(".")
        if not (seq.isdecimal() and (n or "0").isdecimal() and len(text) < 30):
            raise _no_place(text, "an event id such as 3 or 3.17", pointer)
        return cls(int(seq), int(n or 0))


class Cursor(NamedTuple):
    """Where among the changes of all jobs one stands: its transaction, and its number there."""

    tx: int
    id: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.id}"

    @classmethod
    def parse(cls, text: str, pointer: str = "/after") -> "Cursor":
        """Return the cursor that `text` shows.

        Raises:
            InvalidParams: it shows none.
        """
        tx, _, number = text.strip().partition("-")
        if not (tx.isdecimal() and number.isdecimal() and len(text) < 40 and max(int(tx), int(number)) <= LARGEST):
            raise _no_place(text, "a cursor such as 7312-40", pointer)
        return cls(int(tx), int(number))


def _no_place(text: str, what: str, pointer: str) -> InvalidParams:
    detail = f"{text[:40]!r} is not {what}."
    return InvalidParams(detail, errors=[{"pointer": pointer, "detail": detail}])


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the job of an event, beside its id."""

    project: str
    """Whose it is; no client sees it."""
    kind: str
    queue: str
    tags: Mapping[str, str] | None
    created_at: datetime
    parent: UUID | None
    submitted_by: str | None


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job; or, without one, that is to be said of the stream itself."""

    id: EventId | Cursor | None
    type: Literal["state", "progress", "deleted", "hello", "reset", "cut", "error"]
    job_id: UUID | None
    ts: datetime
    data: Mapping[str, Any]
    about: About | None = None
    cursor: Cursor | None = None
    """Of a change; progress has none."""

    @property
    def of_job(self) -> EventId:
        """Its id, of an event of a job."""
        assert isinstance(self.id, EventId)
        return self.id

    @property
    def seq(self) -> int:
        """The change of state that an event of a job is, or follows."""
        return self.of_job.seq

    def envelope(self) -> dict[str, Any]:
        """Return what a client sees, on every transport."""
        about = self.about
        return {
            "id": None if self.id is None else str(self.id),
            "type": self.type,
            "job_id": str(self.job_id) if self.job_id else None,
            "kind": about.kind if about else None,
            "queue": about.queue if about else None,
            "tags": dict(about.tags or {}) if about else None,
            "ts": rfc3339(self.ts),
            "cursor": str(self.cursor) if self.cursor else None,
            "data": dict(self.data),
        }

    @cached_property
    def facts(self) -> Facts:
        """What a filter must know of its job, as this event left it; progress is of a running one."""
        job = self.about
        assert job
        assert self.job_id
        state = State(self.data.get("state", State.RUNNING))
        return Facts(
            self.job_id, job.kind, job.queue, state, job.created_at, job.tags or {}, job.parent, job.submitted_by
        )  # fmt: skip

    @cached_property
    def text(self) -> str:
        """The envelope as JSON on one line: made once, for however many followers."""
        return json.dumps(self.envelope(), separators=(",", ":"))


def announce(pipe: Any, moved: Sequence[Moved]) -> None:
    """Tell followers that these jobs have new rows; many in one entry of the stream, which all of them read."""
    for first in range(0, len(moved), ENTRY):
        tell(pipe, [(str(job.id), job.seq, None) for job in moved[first : first + ENTRY]])


def announce_deleted(pipe: Any, gone: Sequence[Mapping[str, Any]]) -> None:
    """Tell who follows the fleet that these jobs are gone: rows with `id, state, seq`, and `ABOUT`.

    No row tells of it: it is heard from the stream or not at all.
    """
    told = ("project", "kind", "queue", "tags", "parent_id", "submitted_by", "state")
    for first in range(0, len(gone), ENTRY):
        tell(pipe, [
            (str(row["id"]), row["seq"], None, {
                **{name: row[name] for name in told}, "created_at": row["created_at"].isoformat(),
            })
            for row in gone[first : first + ENTRY]
        ])  # fmt: skip


def deleted(job: UUID, seq: int, gone: Mapping[str, Any]) -> Event:
    """Return what `announce_deleted` told of a job as an event: behind its last change, and without a cursor."""
    what = about({**gone, "created_at": datetime.fromisoformat(gone["created_at"])})
    return Event(EventId(seq + 1), "deleted", job, datetime.now(UTC), {"state": gone["state"]}, what)


def tell(pipe: Any, news: Sequence[tuple[Any, ...]]) -> None:
    """Add one entry to the stream: of each job its id, its `seq`, and a piece of progress or None for a new row.

    Behind that stands what was known of a job that is deleted.
    """
    pipe.xadd(STREAM, {"j": to_json(news)}, maxlen=STREAM_LENGTH)


def change(row: Mapping[str, Any], about: About) -> Event:
    """Return a row of `job_event`, with `place` for its id, as an event."""
    cursor = Cursor(row["tx"], row["place"])
    return Event(EventId(row["seq"]), "state", row["job_id"], row["at"], _state_data(row), about, cursor)


def about(row: Mapping[str, Any]) -> About:
    """Return what a row with the columns `ABOUT` says of its job's events."""
    return About(
        row["project"], row["kind"], row["queue"], json.loads(row["tags"]) if row["tags"] else None,
        row["created_at"], row["parent_id"], row["submitted_by"],
    )  # fmt: skip


def _state_data(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "state": row["state"],
        "reason": row["reason"],
        "attempt": row["attempt"],
        "due_at": rfc3339(row["due_at"]),
        "error": json.loads(row["error"]) if row["error"] else None,
    }
