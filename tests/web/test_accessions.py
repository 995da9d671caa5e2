"""The page where a genome is an accession: the field, and the download that an analysis waits for."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.families import load_params
from arqsvc.settings import Settings
from tests.mirror import faults
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records
from tests.servers import worker_process
from tests.service import Service, open_service
from tests.web.browser import Tab, open_tab

pytestmark = pytest.mark.debian("chromium")

FOLLOWED = """
followed = [];
EventSource = class extends EventSource {
  constructor(address) { super(address); followed.push(address.split("/")[4]); }
};
"""
"""Takes down the ids of the jobs whose events the page follows."""

COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"
"""The page looks at once, and not within 5 s, for what was submitted elsewhere."""

SHOWN = "[...document.querySelectorAll('.job:not([hidden])')]"
PAGE = 50


@dataclass
class Desk:
    """A browser on the page, and what is behind it."""

    tab: Tab
    service: Service
    mirror: Mirror

    async def type(self, text: str) -> None:
        """Write an accession or several into the empty field, and press Enter."""
        await self.tab.value("document.getElementById('accession').select()")
        await self.tab.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            await self.tab.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )

    async def row(self, name: str) -> Any:
        """Return the text of a part of the first row, None if it is hidden."""
        part = f"{SHOWN}[0].querySelector('.{name}')"
        return await self.tab.value(f"{part}.checkVisibility() ? {part}.textContent : null")

    async def shows(self, name: str, pattern: str) -> None:
        """Return once a part of the first row says this."""
        await self.tab.shows(f"/{pattern}/.test({SHOWN}[0]?.querySelector('.{name}').textContent)")

    async def press(self, name: str) -> None:
        """Press a button of the first row."""
        await self.tab.value(f"{SHOWN}[0].querySelector('.{name}').click()")

    async def jobs(self, kind: str) -> list[dict[str, Any]]:
        """Return all jobs of a kind, the newest first."""
        answer = await self.service.http.get("/jobs", params={"kind": kind, "limit": 500})
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    """The page of the whole service, but for a worker."""
    async with (
        running_mirror(Records.packaged()) as mirror,
        open_service(settings, load_params()) as service,
        open_tab(tmp_path / "profile") as tab,
    ):
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=FOLLOWED)
        secret = await create_secret(KeyKind.LINK, project="tester", name="browser")
        await tab.call("Page.navigate", url=f"{service.client.url}/login#t={secret}")
        await tab.shows("document.querySelector('#empty:not([hidden])')")
        yield Desk(tab, service, mirror)
        assert mirror.over_budget() == {}


def worker(desk: Desk) -> Any:
    """Run a worker that asks the mirror."""
    return worker_process(desk.service.settings, "arqsvc", "worker", env=desk.mirror.environment)


async def test_what_is_accepted_leaves_the_field_and_what_is_refused_stays(
    desk: Desk,
) -> None:
    tab = desk.tab
    await desk.type("NC_000932.1, NP_414542.1\nnonsense")
    await tab.shows("document.getElementById('refused').textContent")
    refused = await tab.value("document.getElementById('refused').textContent")
    assert "NP_414542.1 is a protein. Ask for the nucleotide record that codes for it" in refused
    assert "'nonsense' is not an accession" in refused
    assert await tab.value("document.getElementById('refused').role") == "alert"
    field = "document.getElementById('accession')"
    assert await tab.value(f"{field}.value") == "NP_414542.1 nonsense"
    assert await tab.value(f"[{field}.ariaInvalid, {field}.getAttribute('aria-describedby')]") == ["true", "refused"]
    assert await tab.value("document.activeElement.id") == "accession"
    assert "or an accession" in await tab.value(f"{field}.labels[0].textContent")
    await desk.shows("note", "waits for a worker")
    assert await desk.row("title") == "NC_000932.1"
    assert await desk.row("word") == "waits for its download"

    await tab.value(f"{field}.value = 'gcf_000000932\\n\\nNC_000932.1'")
    await tab.value("document.querySelector('#order button').click()")
    await tab.shows(f"{SHOWN}.length === 3")
    assert await tab.value(f"{field}.value") == ""
    assert await tab.value("document.getElementById('refused').textContent") == ""
    await tab.shows(f"{field}.ariaInvalid === 'false'")
    assert len(await desk.jobs("genomes.download")) == len(await desk.jobs("genomes.analyze")) == 3

    await desk.press("act")
    await desk.shows("word", "cancelled")
    assert [job["state"] for job in await desk.jobs("genomes.download")] == ["cancelled", "queued", "queued"]

    await tab.call("Network.enable")
    away = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await tab.call("Network.emulateNetworkConditions", **away)
    await desk.type("NC_000932.1 U00096.3")
    await tab.shows("/is not running/.test(document.getElementById('refused').textContent)")
    assert await tab.value(f"{field}.value") == "NC_000932.1 U00096.3"
    assert [text for text in tab.complaints if not text.startswith("Failed to load resource")] == []


async def test_a_download_is_a_row_of_its_own_only_where_no_analysis_needs_it(desk: Desk) -> None:
    tab = desk.tab
    desk.mirror.fail(faults.hold(), path="efetch")
    async with worker(desk):
        await desk.type("NC_000932.1")
        await desk.mirror.reached()
        await desk.shows("note", "download · 1\\d\\d.KiB")
        (download,) = await desk.jobs("genomes.download")
        (analysis,) = await desk.jobs("genomes.analyze")
        assert await tab.value(f"{SHOWN}[0].querySelector('.bar').matches(':indeterminate')")
        assert await tab.value("followed") == [download["id"]]
        assert await desk.row("word") == "waits for its download"
        desk.mirror.release()
        await tab.shows(f"{SHOWN}[0].querySelector('.report').checkVisibility()")
        assert set(await tab.value("followed")) == {download["id"], analysis["id"]}
        assert await desk.row("title") == "Arabidopsis thaliana"
        assert await tab.value(f"{SHOWN}.length") == 1
        await desk.press("all")
        assert "NC_000932.1.gb" in await desk.row("files")

        alone = await desk.service.client.submit("genomes.download", {"accession": "NC_000932"})
        await tab.value(COME_BACK)
        await tab.shows(f"{SHOWN}.length === 2")
        await desk.shows("word", "succeeded")
        done = (await desk.service.client.job(alone["id"]))["result"]
        numbers = "Length154\u202fkb" + "Size298\u202fKiB" + "Verified" + done["sha256"][:7]
        assert [await desk.row(part) for part in ("title", "source", "numbers")] == ["NC_000932.1", "download", numbers]
        assert await desk.row("all") is None
        text = await tab.value(f"fetch({SHOWN}[0].querySelector('.json').href).then((answer) => answer.text())")
        assert text.startswith("LOCUS       NC_000932")
    assert tab.complaints == []


async def test_retry_tries_the_download_again_and_a_throttled_one_says_until_when(
    desk: Desk,
) -> None:
    tab = desk.tab
    desk.mirror.fail(faults.status(404), path="efetch")
    async with worker(desk):
        await desk.type("NC_000932.1")
        await tab.shows("document.querySelector('[data-state=failed]:not([hidden]) .problem:not([hidden])')")
        assert await tab.value(f"{SHOWN}.length") == 1
        assert "NC_000932.1" in await desk.row("problem-detail")
        desk.mirror.fail(faults.status(429, retry_after_s=1000), path="efetch")
        await desk.press("act")
        await desk.shows("note", "asks to wait until \\d\\d:\\d\\d:\\d\\d$")
        assert (await desk.row("word")).startswith("waits for its download")
        assert await desk.row("problem") is None
        assert re.match(r"127\.0\.0\.1:\d+ asks", await desk.row("note"))
        await desk.press("act")
        await desk.shows("word", "cancelled")
        assert [job["state"] for job in await desk.jobs("genomes.download")] == ["cancelled"]
        assert await desk.row("problem") is None
    assert tab.complaints == []


async def test_what_the_last_analysis_of_a_page_needs_is_known_though_it_is_on_the_next(desk: Desk) -> None:
    tab, client = desk.tab, desk.service.client
    for _ in range(PAGE // 2 + 5):
        await client.submit("genomes.analyze", {"accession": "NC_000932.1"})
    await client.submit("genomes.download", {"accession": "NC_000932.1"})
    await tab.call("Page.reload")
    await tab.shows(f"{SHOWN}.length === 1 + {PAGE} / 2")
    await tab.shows(f"{SHOWN}.every((row) => /waits for a worker/.test(row.querySelector('.note').textContent))")
    await tab.value("document.getElementById('more').click()")
    await tab.shows(f"{SHOWN}.length === 1 + {PAGE} / 2 + 5")
    assert await tab.value(f"{SHOWN}.indexOf(document.activeElement)") == 1 + PAGE // 2
    assert tab.complaints == []
