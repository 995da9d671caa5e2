"""`arqsvc analyze` and `arqsvc demo`: files in, folders of results out, nothing left running."""

import asyncio
import gzip
import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.cli.test_up import TINY
from tests.waiting import until

FILES = {"report.html", "result.json", "run.json", "codons.tsv", "genes.tsv", "validation.tsv"}


def written(folder: Path) -> set[str]:
    """Return the names of the files in a folder, without the figures."""
    return {path.name for path in folder.iterdir() if path.suffix != ".svg"}


@pytest.fixture
def tiny(program: Program) -> Path:
    """A small sequence with one gene."""
    path = program.home / "tiny.gbk.gz"
    path.write_bytes(gzip.compress(TINY))
    return path


async def test_the_demo_needs_nothing_and_leaves_a_report(program: Program) -> None:
    code, out, err = await program.run("demo")
    assert code == 0, err
    folder = program.home / "arqsvc-out" / "NC_000932.1"
    assert written(folder) == FILES
    assert len(list(folder.glob("*.svg"))) >= 5
    assert str(Path("arqsvc-out") / "NC_000932.1" / "report.html") in out
    assert "154,478 bp" in out
    assert [step for step in ("upload", "codon analysis", "visualization", "complete") if step in err] == [
        "upload",
        "codon analysis",
        "visualization",
        "complete",
    ]
    await until(lambda: not program.processes())


async def test_results_of_two_runs_are_the_same_bytes(program: Program, tiny: Path) -> None:
    for out in ("one", "two"):
        code, _, err = await program.run("analyze", tiny, "--out", out)
        assert code == 0, err
    for path in (program.home / "one" / "TINY.1").iterdir():
        if path.name != "run.json":
            assert path.read_bytes() == (program.home / "two" / "TINY.1" / path.name).read_bytes(), path.name


async def test_a_failed_file_is_told_beside_the_good_ones(program: Program, tiny: Path) -> None:
    bad = program.home / "page.gb"
    bad.write_text("<html>404</html>")
    code, out, err = await program.run("analyze", tiny, bad, "--no-progress")
    assert code == 1
    assert "TINY.1" in out
    assert str(bad) in err
    assert "HTML" in err
    assert {path.name for path in (program.home / "arqsvc-out").iterdir()} == {"TINY.1"}


async def test_json_is_one_object_a_target_and_nothing_else(program: Program, tiny: Path) -> None:
    bad = program.home / "empty.gb"
    bad.touch()
    code, out, err = await program.run("analyze", tiny, bad, "--json", "--no-progress")
    good, failed = (json.loads(line) for line in out.splitlines())
    assert (code, err) == (1, "")
    assert (good["target"], good["state"], good["result"]["accession"]) == (str(tiny), "succeeded", "TINY.1")
    assert set(good["files"]) >= FILES
    assert (failed["target"], failed["state"], failed["error"]["status"]) == (str(bad), "failed", 422)
    assert "is empty" in failed["error"]["detail"]


async def test_targets_of_the_same_record_get_a_folder_each(program: Program, tiny: Path) -> None:
    other = program.home / "again.gb"
    other.write_bytes(TINY)
    code, _, err = await program.run("analyze", tiny, other, "--no-progress")
    assert code == 0, err
    assert {path.name for path in (program.home / "arqsvc-out").iterdir()} == {"TINY.1", "TINY.1-2"}


@pytest.mark.parametrize("target", ["missing.gb", "."])
async def test_what_cannot_be_read_is_a_usage_error(program: Program, target: str) -> None:
    code, out, err = await program.run("analyze", target)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert target in err
    assert not program.state.exists()


async def test_an_output_folder_that_cannot_be_is_said_before_anything_runs(program: Program, tiny: Path) -> None:
    code, _, err = await program.run("analyze", tiny, "--out", tiny / "below")
    assert (code, err.count("\n"), "--out" in err) == (2, 1, True)
    code, _, err = await program.run("analyze", tiny, "--state-dir", tiny / "below")
    assert (code, err.count("\n"), "--state-dir" in err) == (2, 1, True)


async def test_it_uses_the_instance_that_holds_the_state(program: Program, tiny: Path) -> None:
    async with program.up():
        code, out, err = await program.run("analyze", tiny, "--json")
        assert code == 0, err
        job = json.loads(out)["job_id"]
        assert json.loads((await program.run("jobs", "show", job))[1])["state"] == "succeeded"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupt_cancels_its_jobs_and_leaves_nothing(program: Program, sent: int, code: int) -> None:
    async with program.up():
        demo = await program.start("demo")
        assert demo.stderr
        async for line in demo.stderr:
            if b"queued" in line or b"running" in line:
                break
        demo.send_signal(sent)
        out, err = await demo.communicate()
        assert (demo.returncode, b"Traceback" in out + err) == (code, False)
        listed = [json.loads(line) for line in (await program.run("jobs", "list", "--json"))[1].splitlines()]
        assert [job["state"] for job in listed] == ["cancelled"]
    assert list((program.home / "arqsvc-out").iterdir()) == []


async def test_ctrl_c_ends_an_instance_of_its_own_too(program: Program) -> None:
    demo = await program.start("demo")
    assert demo.stderr
    async for line in demo.stderr:
        if b"queued" in line or b"running" in line:
            break
    demo.send_signal(signal.SIGINT)
    out, err = await demo.communicate()
    assert (demo.returncode, b"Traceback" in out + err) == (130, False)
    await until(lambda: not program.processes())


async def test_on_a_terminal_it_draws_a_live_line(program: Program, tiny: Path) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "arqsvc", "analyze", str(tiny)]
    environ = {**program.environment(), "TERM": "xterm-256color", "COLUMNS": "100"}
    process = await asyncio.create_subprocess_exec(
        *words, cwd=program.home, env=environ, stderr=theirs, stdout=asyncio.subprocess.PIPE
    )
    os.close(theirs)
    drawn = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                drawn.extend(data)
        except OSError:
            return

    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(read))
        out, _ = await process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert b"TINY.1" in out
    assert b"100%" in drawn
    assert b"\x1b[" in drawn
