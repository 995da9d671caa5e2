"""Content in storage: what nothing names goes, once it is old."""

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from uuid6 import uuid7

from arqsvc.families.genomes.models import DownloadRecord
from arqsvc.infra.db import alone, open_db, rows
from arqsvc.infra.storage import Storage
from arqsvc.jobs import ledger
from arqsvc.jobs.content import sweep
from arqsvc.jobs.files import FileRecord, file_row
from tests.jobs.ledger_model import Job
from tests.jobs.ledger_steps import LEASE_S, begin, insert

DAY_S = 86_400.0


@pytest.fixture
async def storage(database_url: str, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty storage, and the database, open."""
    async with open_db(database_url):
        await begin()
        yield Storage(tmp_path)


async def stored(storage: Storage, text: str, age_s: float) -> str:
    """Store a text as if so long ago; returns its SHA-256."""
    path = storage.folder / "text"
    path.write_text(text)
    sha256 = (await storage.put_path(path)).sha256
    os.utime(storage.path(sha256), (time.time() - age_s,) * 2)
    return sha256


async def test_old_content_that_no_table_names_is_swept(storage: Storage) -> None:
    uploaded, cached, young, old, older = [
        await stored(storage, text, age_s)
        for text, age_s in (("a", 9 * DAY_S), ("b", 9 * DAY_S), ("c", 1), ("d", 2 * DAY_S), ("e", 4 * DAY_S))
    ]
    now = datetime.now(UTC)
    row = file_row("a", await storage.put_path(storage.path(uploaded)))
    await FileRecord.create(**{**row, "id": uuid7()}, project="tester", created_at=now)
    await DownloadRecord.create(
        accession="A.1", format="fasta", sha256=cached, size_bytes=1, name="b", records=1, length_bp=1, provenance={},
        retrieved_at=now,
    )  # fmt: skip
    job = UUID(int=1)
    await insert([Job(job, 1, None, ())])
    await ledger.start([(job, 1)], "one", LEASE_S)
    set_state = "WITH set AS (UPDATE job SET {} WHERE id = $1 RETURNING id) SELECT id FROM set"
    await rows(set_state.format("attempted_at = now() - interval '3 days'"), [job])

    async def left() -> set[str]:
        for sha256 in (uploaded, cached, young, old, older):
            await sweep(storage, int(sha256[:2], 16))
        return {path.name for path in (storage.folder / "sha256").rglob("*") if path.is_file()}

    assert await left() == {uploaded, cached, young, old}  # of which the last may have come from the job that runs
    await rows(set_state.format("state = 'succeeded'"), [job])
    assert await left() == {uploaded, cached, young}
    assert await sweep(storage, 255) == 0


async def test_one_process_at_a_time_sweeps(storage: Storage) -> None:
    async with alone(1) as first, alone(1) as second, alone(2) as other:
        assert (first, second, other) == (True, False, True)
    async with alone(1) as first:
        assert first
