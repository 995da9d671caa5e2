"""The service with a worker of the program itself, and the NCBI that it asks: what tests of downloads hold."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from arqsvc.infra.storage import Storage
from arqsvc.jobs.record import JobRecord
from tests.mirror.faults import Fault
from tests.mirror.mirror import Mirror
from tests.service import Service

RECORD, ASSEMBLY = "NC_000932.1", "GCF_000000932.1"
LENGTH_BP = 154478
KEY = "0123456789abcdef"
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class Site:
    """The service with a worker of the program itself, and the NCBI that it asks."""

    service: Service
    mirror: Mirror
    storage: Path

    async def submit(self, accession: str, format: str = "genbank") -> str:  # noqa: A002
        job = await self.service.client.submit("genomes.download", {"accession": accession, "format": format})
        return str(job["id"])

    async def ended(self, accession: str, format: str = "genbank", hours_pass: bool = False) -> dict[str, Any]:  # noqa: A002
        """Return a job once it has ended; where it waits for its next try, it waits no longer, or as if for hours."""
        job = await self.submit(accession, format)
        passed = {"started_at": datetime.now(UTC) - timedelta(hours=2)} if hours_pass else {}
        async for event in self.service.client.follow(job):
            if event["data"].get("state") == "scheduled":
                await JobRecord.filter(id=UUID(job)).update(due_at=datetime.now(UTC), **passed)
        return await self.service.client.job(job)

    async def downloaded(self, accession: str, format: str = "genbank") -> dict[str, Any]:  # noqa: A002
        """Return the result of a job that has succeeded."""
        job = await self.ended(accession, format)
        assert job["state"] == "succeeded", job["error"]
        result: dict[str, Any] = job["result"]
        assert [file["name"] for file in job["files"]] == [result["name"]]
        return result

    async def first_outcome(self, accession: str, format: str, **when_met: Fault) -> dict[str, Any]:  # noqa: A002
        """Return what followers are told at the end of the first attempt; requests meet a fault `path=...` for ever."""
        for path, fault in when_met.items():
            self.mirror.fail(fault, path=path, times=None)
        job = await self.submit(accession, format)
        told: dict[str, Any] = {}
        async for event in self.service.client.follow(job):
            told = event["data"]
            if told.get("state") in FINAL | {"scheduled"}:
                break
        if told["state"] == "scheduled":
            await self.service.client.cancel(job)
            await self.service.client.result(job)
        self.mirror.mend()
        return told

    def content(self, result: dict[str, Any]) -> bytes:
        return Storage(self.storage).path(result["sha256"]).read_bytes()

    @property
    def paths(self) -> list[str]:
        """What was asked for so far, by the last piece of the path."""
        return [seen.path.rstrip("/").rpartition("/")[2] for seen in self.mirror.requests]

    def nothing_is_left(self) -> None:
        assert not list((self.storage / "partial").iterdir())
