"""The grammar of filters: what fits, decided by the database and, for live streams, without it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from uuid6 import uuid7

from arqsvc.errors import InvalidParams
from arqsvc.infra.db import open_db, rows
from arqsvc.jobs.filters import Facts, Filter
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.record import JobRecord, State

FIRST, SECOND = uuid7(), uuid7()
JOBS = (
    NewJob(id=FIRST, project="p", kind="test.say", queue="test", params={"text": "GCF_1.2 50%"}),
    NewJob(id=SECOND, project="p", kind="test.fail", queue="slow", params={"n": 1}, tags={"lab": "x_y", "run": "7"}),
    NewJob(id=uuid7(), project="p", kind="other.say", queue="test", params={"text": 'a "b"'}, parent=FIRST),
    NewJob(id=uuid7(), project="p", kind="test.say", queue="test", params={}, tags={"run": "8"}, submitted_by="ann"),
)


FOUND: tuple[tuple[dict[str, str], list[int]], ...] = (
    ({}, [0, 1, 2, 3]),
    ({"state": "failed"}, [1]),
    ({"state": "queued,failed"}, [0, 1, 2, 3]),
    ({"state": "running,cancelled"}, []),
    ({"kind": "test.say,other.say"}, [0, 2, 3]),
    ({"kind": "test.*"}, [0, 1, 3]),
    ({"kind": "other.*,test.fail"}, [1, 2]),
    ({"kind": "test_*"}, []),
    ({"queue": "slow"}, [1]),
    ({"tag.run": "8"}, [3]),
    ({"tag.run": "7", "tag.lab": "x_y"}, [1]),
    ({"tag.run": "7", "tag.lab": "else"}, []),
    ({"parent": str(FIRST)}, [2]),
    ({"submitted_by": "ann"}, [3]),
    ({"q": str(SECOND)}, [1]),
    ({"q": str(SECOND)[:35].upper()}, [1]),
    ({"q": "gcf_1.2"}, [0]),
    ({"q": "50%"}, [0]),
    ({"q": "GCF_1_2"}, []),
    ({"q": 'a "B"'}, [2]),
    ({"q": "X_Y"}, [1]),
    ({"q": "too SHORT"}, [1]),
    ({"state": "queued", "kind": "test.*", "q": "gcf"}, [0]),
)
"""What a query finds of these jobs."""


async def test_a_filter_finds_what_fits_with_and_without_the_database(database_url: str) -> None:
    async with open_db(database_url):
        await insert(JOBS)
        await JobRecord.filter(id=SECOND).update(state=State.FAILED, error={"detail": "It is too short."})
        facts = [await facts_of(job.id) for job in JOBS]
        for query, wanted in FOUND:
            found, ids = Filter.parse(query), [JOBS[index].id for index in wanted]
            assert await fitting(found) == ids, query
            assert not found.live or [one.id for one in facts if found.matches(one)] == ids, query


async def test_times_are_half_open(database_url: str) -> None:
    async with open_db(database_url):
        await insert(JOBS[:1])
        at = (await JobRecord.get(id=FIRST)).created_at
        facts = await facts_of(FIRST)
        for name, by_us, fits in (
            ("created_after", 0, True),
            ("created_after", 1, False),
            ("created_before", 0, False),
            ("created_before", 1, True),
        ):
            time = (at + timedelta(microseconds=by_us)).isoformat().replace("+00:00", "Z")
            found = Filter.parse({name: time})
            assert bool(await fitting(found)) is found.matches(facts) is fits


async def fitting(found: Filter) -> list[UUID]:
    """Return the jobs of the project that fit, in the order of their ids."""
    condition, values = found.where(2)
    return [
        row["id"] for row in await rows(f"SELECT id FROM job WHERE project = $1 AND {condition} ORDER BY id",
                                        ["p", *values])
    ]  # fmt: skip


async def facts_of(job: UUID) -> Facts:
    """Return what streams know of a job."""
    row = await JobRecord.get(id=job)
    return Facts(
        row.id, row.kind, row.queue, row.state, row.created_at, row.tags or {}, row.parent_id, row.submitted_by
    )  # fmt: skip


def test_a_body_says_the_same_as_a_query() -> None:
    body = {"state": ["failed", "cancelled"], "kind": "genomes.*", "tags": {"k": "v"}, "q": "x"}
    query = {"state": "failed,cancelled", "kind": "genomes.*", "tag.k": "v", "q": "x"}
    assert Filter.model_validate(body) == Filter.parse(query)
    assert Filter.model_validate_json(Filter.parse(query).model_dump_json()) == Filter.parse(query)
    assert not Filter.parse(query).live


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ({"state": "done"}, "/state", "states: blocked"),
        ({"colour": "red"}, "/colour", "there are state, kind"),
        ({"tags": "a"}, "/tags", "tag.NAME"),
        ({"tag.": "a"}, "/tag.", "at least 1"),
        ({"kind": "a,,b"}, "/kind", "match"),
        ({"kind": "a*b"}, "/kind", "match"),
        ({"parent": "7"}, "/parent", "UUID"),
        ({"created_after": "yesterday"}, "/created_after", "RFC 3339"),
        ({"created_after": "2026-11-27"}, "/created_after", "RFC 3339"),
        ({"created_before": "2026-13-27T00:00:00Z"}, "/created_before", "month"),
        ({"created_after": "0001-01-01T00:00:00+14:00"}, "/created_after", "RFC 3339"),
        ({"q": ""}, "/q", "at least 1"),
        ({"submitted_by": "\ud800"}, "/submitted_by", "unicode"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_name(query: dict[str, str], pointer: str, detail: str) -> None:
    with pytest.raises(InvalidParams, match=detail) as refused:
        Filter.parse(query)
    assert refused.value.facts["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [{"state": [[]]}, {"state": 1}, {"state": []}, {"created_after": 5}, {"tags": {}}])
def test_a_body_that_is_no_filter_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filter.model_validate(body)
