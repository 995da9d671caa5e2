"""`arqsvc jobs`: the public API from a terminal, by two variables or the instance on the state folder."""

import json
from pathlib import Path

import pytest

from arqsvc.cli.jobs import watch
from arqsvc.client import CannotStart, answers
from arqsvc.settings import Settings
from tests.cli.program import Program
from tests.client.script import answer, scripted
from tests.service import Service


@pytest.fixture
def environ(api: Service) -> dict[str, str]:
    """The two variables that name a service."""
    return {"ARQSVC_URL": api.client.url, "ARQSVC_API_KEY": api.key}


async def test_a_job_is_submitted_shown_listed_cancelled_and_retried(
    program: Program, api: Service, environ: dict[str, str]
) -> None:
    code, out, _ = await program.run("jobs", "submit", "test.say", "-p", "text=hello", **environ)
    job = out.strip()
    assert code == 0
    code, out, _ = await program.run("jobs", "show", job, **environ)
    assert (code, json.loads(out)["params"]) == (0, {"text": "hello"})
    for states in (["queued"], ["failed,queued"], ["failed", "--state", "queued"]):
        code, out, _ = await program.run("jobs", "list", "--state", *states, **environ)
        assert (code, job in out, "test.say" in out) == (0, True, True)
    code, out, _ = await program.run("jobs", "list", "--state", "failed", "--kind", "test.say", **environ)
    assert (code, job in out) == (0, False)
    assert (await program.run("jobs", "cancel", job, **environ))[:2] == (0, f"{job} cancelled\n")
    code, out, _ = await program.run("jobs", "watch", job, **environ)
    assert (code, [line.split()[1] for line in out.splitlines()]) == (1, ["queued", "cancelled"])
    code, _, err = await program.run("jobs", "cancel", job, **environ)
    assert (code, err.count("\n"), "cancelled" in err) == (1, 1, True)
    assert (await program.run("jobs", "retry", job, **environ))[:2] == (0, f"{job} queued\n")
    assert not program.state.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "test.say"], "/params/text"),
        (["submit", "no.kind"], "test.say"),
        (["submit", "test.say", "-p", "text"], "name=value"),
        (["show", "nonsense"], "There is no job nonsense. `arqsvc jobs list` lists yours."),
        (["watch", "01970000-0"], "There is no job 01970000-0. `arqsvc jobs list` lists yours."),
        (["rerun", "01970000-0", "--params", "[1]"], "--params [1]"),
        (["submit", "test.say", "-p", "text=x", "--tag", "plate"], "--tag plate"),
        (["submit", "test.say", "-p", "text=x", "--run-at", "today"], "/run_at"),
        (["list", "--state", "done"], "done"),
    ],
)
async def test_what_is_refused_is_one_line(
    program: Program, environ: dict[str, str], words: list[str], said: str
) -> None:
    code, out, err = await program.run("jobs", *words, **environ)
    assert (code in {1, 2}, out, err.count("\n")) == (True, "", 1)
    assert said in err


async def test_a_job_is_submitted_for_later_and_done_anew(
    program: Program, api: Service, environ: dict[str, str]
) -> None:
    words = ["--tag", "plate=7", "--tag", "of=a=b", "--priority", "8", "--delay", "3600"]
    code, out, err = await program.run("jobs", "submit", "test.say", "-p", "text=x", *words, **environ)
    assert code == 0, err
    job = await api.client.job(out.strip())
    assert (job["state"], job["priority"], job["tags"]) == ("scheduled", 8, {"plate": "7", "of": "a=b"})
    words = ["--run-at", "2026-11-27T08:00:00+01:00"]
    code, out, err = await program.run("jobs", "submit", "test.say", "-p", "text=x", *words, **environ)
    assert code == 0, err
    code, out, err = await program.run("jobs", "rerun", job["id"], **environ)
    assert (await api.client.job(out.strip()))["params"] == {"text": "x"}
    params = ["--params", '{"text": "y"}']
    code, out, err = await program.run("jobs", "rerun", job["id"], *params, **environ)
    again = await api.client.job(out.strip())
    assert (again["params"], again["tags"], again["parent_id"]) == ({"text": "y"}, job["tags"], job["id"])
    code, out, err = await program.run("jobs", "rerun", job["id"], *params, "-p", "text=z", **environ)
    assert (await api.client.job(out.strip()))["params"] == {"text": "z"}
    code, out, _ = await program.run("jobs", "cancel", job["id"], "--force", "--reason", "no need", **environ)
    assert (code, out) == (0, f"{job['id']} cancelled\n")
    assert (await api.client.job(job["id"]))["cancel_reason"] == "no need"


async def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(
    program: Program, api: Service, environ: dict[str, str]
) -> None:
    jobs = await api.client.submit_all([("test.unserved", {})] * 2)
    same = next(jobs[0][:length] for length in range(35, 0, -1) if jobs[1].startswith(jobs[0][:length]))
    code, out, err = await program.run("jobs", "cancel", same, **environ)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert all(f"{job} (test.unserved, queued)" in err for job in jobs)
    shortest = jobs[0][: len(same) + 1].upper()
    assert (await program.run("jobs", "cancel", shortest, **environ))[:2] == (0, f"{jobs[0]} cancelled\n")
    code, out, _ = await program.run("jobs", "show", shortest, **environ)
    assert (code, json.loads(out)["id"]) == (0, jobs[0])


JOB = "0197c9c4-0000-7000-8000-000000000001"


def stream(state: str) -> bytes:
    event = {"type": "state", "ts": "2026-11-27T08:00:00Z", "data": {"state": state, "reason": None, "error": None}}
    return answer(200, f"id: 1\ndata: {json.dumps(event)}\n\n".encode(), Content_Type="text/event-stream")


async def watched(days: list[bytes], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """Watch a job on a service that answers so; returns what `watch` does, the states, and what it says of itself."""
    async with scripted(days) as script:
        code = await watch(Settings.read({"HOME": "/", "ARQSVC_URL": script.url, "ARQSVC_API_KEY": "k"}), JOB)
    told = capsys.readouterr()
    return code, [line.split()[1] for line in told.out.splitlines()], told.err


async def test_who_watches_is_told_that_the_service_is_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "RECONNECT_S", 0.01)
    days = [stream("running"), b"", b"", stream("succeeded")]
    lost = "arqsvc: connection lost, trying again for 60 s; the job goes on\n"
    assert await watched(days, capsys) == (0, ["running", "succeeded"], f"{lost}arqsvc: connected again\n")
    monkeypatch.setattr(answers, "GIVE_UP_S", 1.0)
    with pytest.raises(CannotStart, match=f"has not answered for 1 s.* The job goes on; `arqsvc jobs watch {JOB}`"):
        await watched([stream("running"), b""], capsys)
    assert capsys.readouterr().err == lost.replace("60 s", "1 s")
    with pytest.raises(CannotStart, match="does not answer"):
        await watched([b""], capsys)
    assert capsys.readouterr().err == "arqsvc: connection lost, trying again for 1 s\n"


async def test_a_file_is_uploaded_where_a_parameter_names_it(
    program: Program, api: Service, environ: dict[str, str]
) -> None:
    (program.home / "t.txt").write_text("text")
    code, out, err = await program.run("jobs", "submit", "test.read", "-p", "file_id=@t.txt", **environ)
    assert code == 0, err
    file = (await api.client.job(out.strip()))["params"]["file_id"]
    await api.client.download(file, program.home / "back.txt")
    assert (program.home / "back.txt").read_text() == "text"
    code, _, err = await program.run("jobs", "submit", "test.read", "-p", "file_id=@no.txt", **environ)
    assert (code, err.count("\n"), "no.txt" in err) == (2, 1, True)


async def test_without_a_service_the_next_step_is_said(program: Program, api: Service) -> None:
    for words in (("jobs", "list"), ("keys", "create")):
        code, _, err = await program.run(*words)
        assert (code, err.count("\n"), "arqsvc up" in err) == (2, 1, True)
    for option in ("--state-dir", "--state"):
        code, _, err = await program.run("jobs", "show", "x", option, "elsewhere")
        assert (code, f"(state folder {program.home / 'elsewhere'})" in err) == (2, True)
    async with program.up():
        assert (await program.run("keys", "create"))[1].startswith("arqsvc_")
    for words in (("jobs", "list"), ("keys", "create")):
        code, _, err = await program.run(*words)
        assert (code, err.count("\n"), "arqsvc up" in err) == (2, 1, True)
    code, _, err = await program.run("jobs", "list", ARQSVC_URL="http://127.0.0.1:1")
    assert (code, err.count("\n")) == (2, 1)
    assert "No key for http://127.0.0.1:1: set ARQSVC_API_KEY. `arqsvc keys create`" in err
    code, _, err = await program.run("jobs", "list", ARQSVC_URL="http://127.0.0.1:1", ARQSVC_API_KEY="x")
    assert (code, err.count("\n"), "does not answer" in err) == (2, 1, True)
    code, _, err = await program.run("jobs", "list", ARQSVC_URL=api.client.url, ARQSVC_API_KEY="wrong")
    assert (code, err.count("\n"), "arqsvc keys create" in err) == (1, 1, True)


async def test_a_file_over_the_limit_is_told_with_the_limit(program: Program, environ: dict[str, str]) -> None:
    large = program.home / "large.gb"
    large.write_bytes(b"x" * 30_000_000)
    code, out, err = await program.run("analyze", large, "--json", "--no-progress", **environ)
    assert (code, err) == (1, "")
    assert json.loads(out)["error"]["limit_bytes"] == 20_000_000
    assert list(Path(program.home / "arqsvc-out").iterdir()) == []
