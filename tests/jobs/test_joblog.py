"""The log of jobs, without a worker: who gets a line, what is left out of it, what of a database that is away."""

import logging
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, SecretStr
from uuid6 import uuid7

from arqsvc.infra.db import open_db, rows
from arqsvc.jobs import ledger
from arqsvc.jobs.joblog import JobLog, LineId, lines_of, secrets_of
from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.run import Run


class Keys(BaseModel):
    """Settings with a secret, and one that is too short to be told from a word."""

    key: SecretStr = SecretStr("correct horse")
    pin: SecretStr = SecretStr("in")
    name: str = "plain"


async def messages(job: UUID) -> list[str]:
    found = await lines_of(job, LineId(0), attempt=None, levels=None, limit=100)
    return [f"{row['level']} {row['message']}" for row in found]


async def test_each_job_of_a_shared_run_gets_its_lines_until_it_ends(database_url: str) -> None:
    ids = [uuid7() for _ in range(3)]
    log, logger = JobLog(secrets_of([Keys()])), logging.getLogger("lab.work")
    async with open_db(database_url):
        await insert([NewJob(id=job, project="p", kind="k", queue="q", params={}) for job in ids])
        claimed = await ledger.start([(job, 1) for job in ids], "w", 20.0)
        run = Run({job.id: job for job in claimed if job.id != ids[2]}, progress=cast(Any, object()))
        log.belongs_to(run)
        for record in (
            logger.makeRecord("lab.work", logging.INFO, "f", 1, "in plain %s, \0 \ud800", ("words",), None),
            logger.makeRecord("arqsvc.infra.http", logging.WARNING, "f", 1, "for the operator", (), None),
        ):
            log.handle(record)
        del run.members[ids[1]]
        log.add(run, logging.ERROR, "the correct horse is " + "é" * 10_000)
        run.end()
        log.add(run, logging.INFO, "too late")
        await rows("WITH gone AS (DELETE FROM job WHERE id = $1 RETURNING id) SELECT id FROM gone", [ids[1]])
        await log.write()
        first, long = await messages(ids[0])
        assert first == "INFO in plain words, \ufffd ?"
        assert long.startswith("ERROR the *** is éé")
        assert len(long.removeprefix("ERROR ").encode()) <= 8 * 1024
        assert await messages(ids[1]) == await messages(ids[2]) == []
