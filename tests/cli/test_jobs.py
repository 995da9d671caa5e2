"""`arqsvc jobs`: the public API from a terminal, by two variables or the instance on the state folder."""

import json
from pathlib import Path

import pytest

from tests.cli.program import Program
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
        (["show", "nonsense"], "nonsense"),
        (["list", "--state", "done"], "done"),
    ],
)
async def test_what_is_refused_is_one_line(
    program: Program, environ: dict[str, str], words: list[str], said: str
) -> None:
    code, out, err = await program.run("jobs", *words, **environ)
    assert (code in {1, 2}, out, err.count("\n")) == (True, "", 1)
    assert said in err


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
