"""`arqsvc inspect`, `workers`, `top` and `completion`, from a terminal."""

import json
from pathlib import Path

from tests.cli.program import Program
from tests.service import Service
from tests.waiting import pids_in


async def test_an_operator_sees_what_a_celery_user_would(program: Program, service: Service, tmp_path: Path) -> None:
    environ = {"ARQSVC_URL": service.client.url, "ARQSVC_API_KEY": service.key}
    (folder := tmp_path / "wait").mkdir()
    wait = await service.client.submit("test.wait", {"folder": str(folder)}, tags={"plate": "7"}, timeout_s=600)
    running = wait["id"]
    later = (await service.client.submit("test.say", {"text": "x"}, delay_s=3600))["id"]
    queued = (await service.client.submit("test.unserved", {}))["id"]
    await service.client.submit("test.unserved", {}, delay_s=7200)
    await service.client.submit("test.unserved", {})
    await pids_in(folder)
    for look, job in (("active", running), ("reserved", queued), ("scheduled", later)):
        code, out, _ = await program.run("inspect", look, "--limit", "1", "--json", **environ)
        assert (code, [each["id"] for each in json.loads(out)]) == (0, [job])
    code, out, _ = await program.run("inspect", "active", **environ)
    assert (code, running in out, "10% wait" in out, "plate=7" in out) == (0, True, True, True)
    for look, time in (("active", "since (UTC)"), ("scheduled", "due (UTC)")):
        code, out, _ = await program.run("inspect", look, **environ)
        assert (code, time in out.splitlines()[0]) == (0, True)
    code, out, _ = await program.run("inspect", "registered", **environ)
    assert (code, "test.say" in out, "Return a text" in out) == (0, True, True)
    code, out, _ = await program.run("workers", "list", "--json", **environ)
    (worker,) = json.loads(out)
    assert (code, worker["running"], worker["queues"]) == (0, 1, ["test"])
    code, out, _ = await program.run("top", "--once", **environ)
    assert (code, out.splitlines()[0]) == (0, f"1 running, 2 queued, 1 worker with {worker['slots']} slots")
    code, out, _ = await program.run("top", "--once", "--json", **environ)
    assert (code, set(json.loads(out))) == (0, {"queues", "workers", "jobs"})
    code, out, _ = await program.run("workers", "drain", worker["id"], **environ)
    assert (code, out) == (0, f"{worker['id']} drain\n")
    code, out, _ = await program.run("workers", "list", **environ)
    assert (code, "wish" in out.splitlines()[0], "drain" in out) == (0, True, True)
    code, out, _ = await program.run("workers", "resume", worker["id"], "--json", **environ)
    assert (code, json.loads(out)) == (0, {"worker": worker["id"], "wish": None})
    (folder / "go").touch()
    await service.client.result(running)
    code, out, _ = await program.run("inspect", "active", **environ)
    assert (code, out) == (0, "None.\n")


async def test_a_shell_completes_the_commands(program: Program) -> None:
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = await program.run("completion", shell)
        assert (code, "_ARQSVC_COMPLETE" in out) == (0, True)
