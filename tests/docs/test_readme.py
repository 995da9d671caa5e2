"""README.md as it is written: its Python and curl are run on a real service, its commands and paths are there.

So are commands and paths of the page for those who come from Celery. What stands in a page for a reader's own
(`FILE-ID`, the address) is filled in; all else is taken to the letter.
"""

import argparse
import re
import shlex
import shutil
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, create_subprocess_exec
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import httpx
import pytest

from arqsvc import webhooks
from arqsvc.api.app import OPERATIONS
from arqsvc.api.openapi import BASE, HEALTH
from arqsvc.cli import commands
from arqsvc.families import load_params
from arqsvc.settings import Settings
from tests.cli.program import Program
from tests.mirror.mirror import running_mirror
from tests.mirror.records import PACKAGED, Record, Records
from tests.servers import ROOT, environment, worker_process
from tests.service import Service, open_service

PAGE = (ROOT / "README.md").read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(found[1], found[2]) for found in FENCED.finditer(PAGE)]
BESIDE = (ROOT / "docs" / "from-celery.md").read_text()
INLINE = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCED.sub("", PAGE) + BESIDE)]

NOT_RUN = {
    "python3 -m venv": "makes the environment; `.ci/run` runs the test command to the letter",
    ".venv/bin/pip install": "installs; as above",
    ".venv/bin/pytest": "runs this",
    "cp .env.example": "makes a file for Docker; tests/docker reads it",
    "chmod 600 .env": "of that file",
    "docker compose": "needs a Docker engine; tests/docker runs what the compose file says",
    "URL=": "the address and the key of this suite's service stand in their place",
}
"""Commands of the fenced blocks that are neither ours nor curl, by how they begin, and why nothing runs them here."""

NO_OPERATION = {
    "/translation": "a qualifier of GenBank",
    "/api/v1": "where paths begin",
    "/ga4gh/wes/v1": "where the paths of another API begin; tests/flow/test_facades.py",
    "/docs": "a page; asked for below",
    "/docs/wes.txt": "a page; tests/flow/test_facades.py",
    "/openapi.json": "describes the operations; asked for below",
    "/metrics": "asked for below",
}
"""What looks like a path of the API and is none of its operations."""

ASKED_FOR = (
    "/docs",
    "/openapi.json",
    *(f"{below}/{name}" for below in ("", BASE) for name in ("livez", "readyz", "metrics")),
)


def lines() -> Iterator[str]:
    """Yield the commands of the fenced blocks of the shell, without their comments."""
    for kind, text in BLOCKS:
        if kind == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                yield re.sub(r"(^|\s+)# .*", "", line)


def parts(line: str) -> list[str]:
    """Return the single commands of a line."""
    return [part.strip() for part in re.split(r"&&|\$\(|\)", line) if part.strip(' "')]


OURS = re.compile(r"(?:(?:\.venv/bin/)?arqsvc|docker compose run --rm api) (.+)")
CURLS = [text for text in (*lines(), *INLINE) if text.startswith("curl ")]
PARTS = [part for line in lines() if line not in CURLS for part in parts(line)]


def uses() -> Iterator[str]:
    """Yield what follows `arqsvc`, wherever it is written; of `a|b` one after the other."""
    for part in (*PARTS, *(part for span in INLINE for part in parts(span))):
        if found := OURS.fullmatch(part):
            either = re.search(r"\w+(\|\w+)+", found[1])
            yield from [found[1].replace(either[0], one) for one in either[0].split("|")] if either else [found[1]]


def test_each_block_and_line_is_run_or_says_why_not() -> None:
    assert {kind for kind, _ in BLOCKS} == {"", "sh", "python"}
    for part in PARTS:
        assert OURS.fullmatch(part) or part.startswith(tuple(NOT_RUN)), part
    for begins in NOT_RUN:
        assert any(part.startswith(begins) for part in PARTS), f"nothing begins with {begins} any more"


@pytest.mark.parametrize("use", [*uses()])
def test_a_command_and_its_options_exist(use: str) -> None:
    command, words = find(shlex.split(use))
    if words:  # else it is only named
        assert not isinstance(command, click.Group), f"{command.name} has no {words[0]}"
        command.make_context(command.name, words)


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that these words begin with, and the words behind it."""
    command: click.Command = commands
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_the_commands_that_a_comment_lists_beside_one_exist() -> None:
    listed = re.findall(r"^arqsvc (\w+) .*# (.*\|.*)$", PAGE, re.MULTILINE)
    assert listed
    for name, comment in listed:
        group = commands.commands[name]
        assert isinstance(group, click.Group)
        assert set(re.findall(r"\b[a-z]+\b", comment)) - {name} <= set(group.commands), comment


PATHS = {*((each.method, each.path) for each in OPERATIONS), *(("GET", f"/{name}") for name, _, _ in HEALTH)}


def has(method: str, path: str) -> bool:
    """Whether a request is one of an operation."""
    asked = path.removeprefix(BASE)
    return any(
        method == known and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), asked) for known, template in PATHS
    )


@pytest.mark.parametrize("span", [span for span in INLINE if re.match(r"([A-Z]+ )?/\w", span)])
def test_a_path_is_of_an_operation(span: str) -> None:
    method, _, path = span.rpartition(" ")
    if method:
        assert has(method, path)
    elif span not in NO_OPERATION:
        assert any(template.endswith(path.removeprefix(BASE)) for _, template in PATHS)


CURL = argparse.ArgumentParser("curl", allow_abbrev=False, exit_on_error=False)
for flags, how in {
    ("-X", "--request"): {},
    ("-H", "--header"): {"action": "append", "default": []},
    ("-d", "--data", "--data-binary"): {},
    ("-F", "--form"): {},
    ("-N", "--no-buffer"): {"action": "store_true"},
    ("-o", "--output"): {"type": Path},
}.items():
    CURL.add_argument(*flags, **how)  # type: ignore[arg-type]
CURL.add_argument("url")


async def sent(line: str, given: dict[str, str], folder: Path) -> httpx.Response:
    """Send what a line of curl says, with what is given put in; returns the answer, which is a success."""
    for name in sorted(given, key=len, reverse=True):
        line = line.replace(name, given[name])
    asked = CURL.parse_args(shlex.split(line)[1:])
    headers = dict(header.split(": ", 1) for header in asked.header)
    if asked.data:  # as curl says unless it is told otherwise
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    form = {}
    if asked.form:
        name, _, path = asked.form.partition("=@")
        form = {name: (path, (folder / path).read_bytes())}
    method = asked.request or ("POST" if asked.data or form else "GET")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.request(method, asked.url, headers=headers, content=asked.data, files=form or None)
    assert has(method, answer.url.path), line
    assert answer.is_success, f"{line}\n{answer.status_code} {answer.text}"
    if asked.output:
        (folder / asked.output).write_bytes(answer.content)
    return answer


def renamed(accession: str) -> bytes:
    """Return the packaged record under another accession."""
    text = Record("NC_000932.1", PACKAGED).text
    return text.replace(b"NC_000932.1", accession.encode()).replace(b"NC_000932", accession.partition(".")[0].encode())


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The service with a worker of the program itself, whose NCBI has the record that the page asks for."""
    records = Records.packaged()
    records.add("NC_000913.3", renamed("NC_000913.3"))
    async with (
        running_mirror(records) as mirror,
        open_service(settings.model_copy(update={"webhook_private": True}), load_params()) as service,
        worker_process(service.settings, "arqsvc", "worker", env=mirror.environment),
    ):
        yield service


async def test_what_curl_is_told_to_do_succeeds(service: Service, tmp_path: Path) -> None:
    shutil.copy(PACKAGED, tmp_path / "my.gbk.gz")
    url = service.client.url
    given = {
        "$URL": url,
        "http://127.0.0.1:8000": url,
        "$KEY": service.key,
        "https://example.org": "http://127.0.0.1:9",
    }
    upload, submit, follow, show, fetch, ready, *more = CURLS
    given["FILE-ID"] = (await sent(upload, given, tmp_path)).json()["id"]
    given["JOB-ID"] = (await sent(submit, given, tmp_path)).json()["id"]
    assert '"state":"succeeded"' in (await sent(follow, given, tmp_path)).text.replace(" ", "")
    files = (await sent(show, given, tmp_path)).json()["files"]
    given["RESULT-FILE-ID"] = {file["name"]: file["id"] for file in files}["report.html"]
    await sent(fetch, given, tmp_path)
    assert (tmp_path / "report.html").read_text().startswith("<!")
    for line in (ready, *more):
        await sent(line, given, tmp_path)
    for path in ASKED_FOR:
        assert (await service.http.get(url + path, follow_redirects=True)).is_success, path


async def test_what_python_is_told_to_do_succeeds(service: Service, tmp_path: Path) -> None:
    (program,) = [text for kind, text in BLOCKS if kind == "python"]
    assert "http://127.0.0.1:8000" in program
    program = program.replace("http://127.0.0.1:8000", service.client.url)
    process = await create_subprocess_exec(
        *(sys.executable, "-c", f"key, accessions = {service.key!r}, ['NC_000932.1', 'NC_000913.3']\n{program}"),
        cwd=tmp_path,
        env=environment(service.settings),
        stdout=PIPE,
        stderr=STDOUT,
    )
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out
    assert [line.rpartition(" ")[0] for line in out.splitlines()] == ["Arabidopsis thaliana"] * 2
    assert (tmp_path / "results" / "report.html").exists()


def test_a_message_is_verified_as_the_page_says() -> None:
    (line,) = [span for span in INLINE if span.startswith("from arqsvc.webhooks import")]
    secret, body = webhooks.new_secret(), b'{"type": "job.succeeded"}'
    at = int(time.time())
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": webhooks.sign([secret], "msg_1", at, body),
    }
    names = {"secret": secret, "request": SimpleNamespace(headers=headers), "body": body}
    exec(line, names)
    assert names["event"] == {"type": "job.succeeded"}


async def test_the_demo_prints_what_the_page_shows(program: Program) -> None:
    (shown,) = [text for kind, text in BLOCKS if not kind]
    code, out, err = await program.run("demo")
    assert (code, [line.rstrip() for line in (err + out).splitlines()]) == (0, shown.splitlines())
