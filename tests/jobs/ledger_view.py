"""What the ledger holds, as the model has it, and what is true of it whatever was done."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.jobs.record import FINAL, State
from tests.jobs.ledger_model import Job

_ALL = """SELECT id, tries, shared, state, reason, error->>'code' AS error, result->>'text' AS result, attempt,
    dispatch, seq, failures, losses, worker, cancel_requested_at IS NOT NULL AS cancel_requested,
    due_at <= now() AS due, finished_at IS NOT NULL AS finished,
    ARRAY(SELECT needed_id FROM job_need WHERE job_id = job.id ORDER BY id) AS needs,
    limits IS NOT NULL AS limited, ARRAY(SELECT row(number, worker, outcome, finished_at IS NOT NULL) FROM attempt
        WHERE job_id = job.id ORDER BY number) AS attempts,
    ARRAY(SELECT row(seq, state, reason, attempt, error->>'code') FROM job_event WHERE job_id = job.id
        ORDER BY seq) AS events,
    ARRAY(SELECT name FROM file WHERE job_id = job.id ORDER BY id) AS files
FROM job ORDER BY id"""


DRAWN = {
    State.BLOCKED: {State.QUEUED, State.FAILED, State.CANCELLED},
    State.QUEUED: {State.RUNNING, State.CANCELLED, State.BLOCKED},
    State.RUNNING: {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.QUEUED},
    State.SCHEDULED: {State.QUEUED, State.CANCELLED},
    State.SUCCEEDED: set[State](),
    State.FAILED: {State.QUEUED, State.BLOCKED},
    State.CANCELLED: {State.QUEUED, State.BLOCKED},
}
"""From each state the ones that may follow."""


async def view() -> dict[UUID, Job]:
    """Return every job, after a look at what must hold of each by itself and of all together."""
    jobs = {row["id"]: _job(row) for row in await rows(_ALL)}
    for job in jobs.values():
        if job.state not in {State.BLOCKED, State.FAILED, State.CANCELLED}:
            assert all(jobs[need].state == State.SUCCEEDED for need in job.needs), "it went on before what it needs"
    return jobs


def _job(row: Mapping[str, Any]) -> Job:
    numbers, workers, outcomes, over = _columns(row["attempts"], 4)
    seqs, states, *_ = _columns(row["events"], 5)
    assert seqs == [*range(1, row["seq"] + 1)], "events have a gap"
    assert numbers == [*range(1, row["attempt"] + (row["state"] != "running"))], "attempts have a gap"
    assert all(over)
    assert all(outcomes)
    assert states[-1] == row["state"]
    assert row["finished"] == (row["state"] in FINAL)
    _check_story([State(state) for state in states], [event[2] for event in row["events"]])
    assert states.count("running") == row["attempt"]
    values = {
        name: row[name] for name in vars(Job(row["id"], 0, None, ())) if name not in {"attempts", "events", "delayed"}
    }
    return Job(
        **{**values, "needs": tuple(row["needs"]), "state": State(row["state"])},
        attempts=list(zip(workers, outcomes, strict=True)),
        events=[(State(state), reason, attempt, error) for _, state, reason, attempt, error in row["events"]],
    )


def _check_story(states: list[State], reasons: list[str | None]) -> None:
    """Each change is one that is drawn; so nothing comes behind an end but a user's retry, and that once."""
    for state, then, why in zip(states, states[1:], reasons[1:], strict=False):
        assert then in DRAWN[state], f"{state} -> {then}"
        assert (state, then) != (State.QUEUED, State.BLOCKED) or why == "limited"
        assert (state in FINAL) == (why == "retried_by_user")


def _columns(records: list[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[record[column] for record in records] for column in range(count)]
