"""`arqsvc queues`, and the reason of a cancel, from a terminal."""

import asyncio
import json
import os
import pty
import sys

import pytest

from tests.cli.program import Program
from tests.service import Service


async def test_queues_are_listed_paused_resumed_drained_and_purged(program: Program, api: Service) -> None:
    environ = {"ARQSVC_URL": api.client.url, "ARQSVC_API_KEY": api.key}
    _, out, _ = await program.run("jobs", "submit", "test.say", "-p", "text=x", **environ)
    assert (await program.run("queues", "pause", "test", **environ))[:2] == (0, "test paused\n")
    code, out, _ = await program.run("queues", "list", "--json", **environ)
    (told,) = [one for one in json.loads(out) if one["queue"] == "test"]
    assert (code, told["mode"], told["queued"], told["workers"]) == (0, "paused", 1, 0)
    code, out, _ = await program.run("queues", "list", **environ)
    assert (code, next(line.split()[:3] for line in out.splitlines() if "test" in line)) == (0, ["test", "paused", "1"])
    assert (await program.run("queues", "drain", "test", **environ))[:2] == (0, "test draining\n")
    assert (await program.run("queues", "resume", "test", **environ))[:2] == (0, "test open\n")
    code, out, err = await program.run("queues", "purge", "test", **environ)
    said = "This cancels 1 job of the queue test, of all projects (0 for later). Give --yes if you mean it."
    assert (code, out, err) == (2, "", f"arqsvc: {said}\n")
    assert (await program.run("queues", "purge", "test", "--yes", **environ))[:2] == (0, "test: 1 job cancelled\n")
    code, _, err = await program.run("queues", "purge", "nowhere", **environ)
    assert (code, err) == (1, "arqsvc: There is no queue 'nowhere'. Queues: test, unserved.\n")
    code, _, err = await program.run("queues", "pause", "nowhere", **environ)
    assert (code, err) == (1, "arqsvc: There is no queue 'nowhere'. Queues: test, unserved.\n")


async def test_a_job_is_cancelled_with_a_reason(program: Program, api: Service) -> None:
    environ = {"ARQSVC_URL": api.client.url, "ARQSVC_API_KEY": api.key}
    job = (await api.client.submit("test.say", {"text": "x"}))["id"]
    assert (await program.run("jobs", "cancel", job, "--reason", "wrong genome", **environ))[0] == 0
    assert (await api.client.job(job))["cancel_reason"] == "wrong genome"


@pytest.mark.parametrize(("said", "code", "state"), [("n", 1, "scheduled"), ("y", 0, "cancelled")])
async def test_who_purges_on_a_terminal_is_asked(
    program: Program, api: Service, said: str, code: int, state: str
) -> None:
    job = (await api.client.submit("test.say", {"text": "x"}, delay_s=3600))["id"]
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arqsvc", "queues", "purge", "test"),
        cwd=program.home,
        env={**program.environment(), "ARQSVC_URL": api.client.url, "ARQSVC_API_KEY": api.key},
        stdin=theirs,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    os.write(ours, f"{said}\n".encode())
    _, err = await process.communicate()
    assert b"Cancel 1 job of the queue test, of all projects (1 for later)? [y/N]" in err
    assert (process.returncode, (await api.client.job(job))["state"]) == (code, state)
    os.close(ours)
    os.close(theirs)
