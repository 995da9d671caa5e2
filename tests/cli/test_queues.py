"""`arqsvc queues`, and the reason of a cancel, from a terminal."""

import json

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
    assert (await program.run("queues", "purge", "test", **environ))[:2] == (0, "test: 1 jobs cancelled\n")
    code, _, err = await program.run("queues", "pause", "nowhere", **environ)
    assert (code, err) == (1, "arqsvc: There is no queue 'nowhere'. Queues: test, unserved.\n")


async def test_a_job_is_cancelled_with_a_reason(program: Program, api: Service) -> None:
    environ = {"ARQSVC_URL": api.client.url, "ARQSVC_API_KEY": api.key}
    job = (await api.client.submit("test.say", {"text": "x"}))["id"]
    assert (await program.run("jobs", "cancel", job, "--reason", "wrong genome", **environ))[0] == 0
    assert (await api.client.job(job))["cancel_reason"] == "wrong genome"
