"""Schemathesis reads /openapi.json and tries what it says, and what it does not allow, on the real API."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from arqsvc.api import gate
from arqsvc.api.app import OPERATIONS
from arqsvc.api.operation import STREAM
from arqsvc.settings import Settings
from tests.flow.kinds import PARAMS
from tests.service import open_service

KINDS = ("test.follow",)
"""Nothing runs it here. Each kind costs 200 requests; one that reads a file would refuse nearly every id of one."""

CONFIG = """
[cache]
enabled = false

[generation]
allow-x00 = false  # it is refused where a schema lets it in; test_refused.py sends it everywhere

[phases.coverage]
unexpected-methods = ["DELETE", "OPTIONS", "PUT"]

[[operations]]
include-name = "POST /jobs"
checks.negative_data_rejection.enabled = false  # a batch is taken in, and says of each job that it is refused
checks.positive_data_acceptance.enabled = false  # unless it is atomic; of each kind alone it is tried

[[operations]]
include-name = "GET /jobs"
checks.positive_data_acceptance.enabled = false  # a cursor is of a list, and no time is of before 1900

[[operations]]
include-name = "GET /jobs/counts"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /jobs:bulk"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /jobs/{id}/rerun"
checks.positive_data_acceptance.enabled = false  # what parameters it takes is said with the kind of its job

[[operations]]
include-name = "POST /keys"
checks.positive_data_acceptance.enabled = false  # no key expires in the past

[[operations]]
include-path = "/webhooks"
checks.positive_data_acceptance.enabled = false  # the host of an address is looked up

[[operations]]
include-path = "/webhooks/{id}"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "GET /readyz"
checks.not_a_server_error.enabled = false  # no worker is there, so that it says 503
"""
ENDLESS = [one.path for one in OPERATIONS if STREAM in one.answers.values()]
"""Left out: streams, which end when a job does, and here none does. What they say is tested where they are."""
OWN_KEY = ["/keys/{id}", "/keys/{id}/rotate"]
"""Left out: they would take away the key that all requests have, for a list of keys holds its id."""
UNTRIED = {"Idempotency-Key", "Prefer", "wait"}
"""Parameters left out: a key that comes again with another body is refused, as it should be, and the others wait."""
EXAMPLES = 4
LIMIT_S = 240.0
"""It costs 16 s of processor time, which is far more on the clock where much else runs."""


@pytest.mark.timeout(300)
async def test_schemathesis_finds_nothing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GUESSES_PER_MINUTE", 0)  # any number: each operation is tried with a key that is none
    asyncio.get_running_loop().set_debug(False)  # a thousand requests: it would take twice as long
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    described = tmp_path / "openapi.json"
    unbounded = settings.model_copy(update={"requests_per_minute": 0})
    async with open_service(unbounded, {kind: PARAMS[kind] for kind in KINDS}) as service:
        api = (await service.http.get("/openapi.json")).json()
        for operation in (each for methods in api["paths"].values() for each in methods.values()):
            operation["parameters"] = [one for one in operation["parameters"] if one["name"] not in UNTRIED]
        for one in api["components"]["schemas"].values():
            if "params" in one.get("properties", {}):
                one["properties"].pop("webhook", None)  # the host of an address is looked up
        described.write_text(json.dumps(api))
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
            "--config-file", tmp_path / "schemathesis.toml",
            "run", described, "--url", str(service.http.base_url).rstrip("/"),
            "--header", f"Authorization: Bearer {service.key}",
            *(part for path in ENDLESS + OWN_KEY for part in ("--exclude-path", path)),
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
            "--seed", "1", "--generation-deterministic", "--no-color", "--request-timeout", "10",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LIMIT_S):
                out, _ = await program.communicate()
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
    said = out.decode()
    tested = re.search(r"Tested: (\d+)", said)
    assert program.returncode == 0, said[said.find("= FAILURES") :]
    assert tested, said
    assert int(tested[1]) > len(OPERATIONS) - len(ENDLESS + OWN_KEY)
