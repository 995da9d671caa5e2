"""The page at /docs: all of /openapi.json, in a real browser, at the widths of a phone, a tablet and a desk."""

from pathlib import Path

import pytest

import arqsvc
from tests.service import Service
from tests.web.browser import open_tab

DOCS = Path(arqsvc.__file__).parent / "web" / "docs"
LIMIT_BYTES = 30_000


def test_it_is_small_and_asks_nobody_else() -> None:
    sources = {path.name: path.read_text() for path in DOCS.iterdir()}
    assert sum(map(len, sources.values())) < LIMIT_BYTES
    for name, text in sources.items():
        assert "innerHTML" not in text, name
        assert "//" not in text.replace("// ", "").replace("\n//", ""), f"{name} names another host"
    assert "<style" not in sources["index.html"]
    assert " style=" not in sources["index.html"]


@pytest.mark.debian("chromium")
async def test_all_operations_can_be_read_and_found(api: Service, tmp_path: Path) -> None:
    url = api.http.base_url.copy_with(path="/docs/")
    described = (await api.http.get(str(url.copy_with(path="/openapi.json")))).json()
    ids = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    async with open_tab(tmp_path / "profile") as tab:
        await tab.call("Page.navigate", url=str(url))
        await tab.shows("document.title.startsWith('arqsvc API ')")
        shown = await tab.value("[...document.querySelectorAll('article')].map((one) => one.id)")
        assert sorted(shown) == sorted([*ids, *(f"on.{name}" for name in described["webhooks"])])
        lost = "[...document.querySelectorAll('nav a')].filter((a) => !document.getElementById(a.hash.slice(1))).length"
        assert await tab.value(lost) == 0

        for width in (360, 900, 1400):
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
            )
            wide = await tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, f"the page is {wide} px wider than {width}"
            assert await tab.value("document.getElementById('contents').open") is (width >= 900)

        article = "document.getElementById('jobs.submit.test.say')"
        assert "text" in await tab.value(f"{article}.querySelector('.tree .tree').textContent")
        curl = await tab.value(f"{article}.querySelector('pre').textContent")
        assert f"{url.copy_with(path='/api/v1/jobs/test.say')}" in curl
        assert '"params"' in curl

        await tab.value("document.getElementById('find').value = 'purge'")
        await tab.value("document.getElementById('find').dispatchEvent(new Event('input'))")
        left = "[...document.querySelectorAll('nav li:not([hidden])')].map((item) => item.textContent)"
        assert "POST/queues/{queue}/purge" in await tab.value(left)
        assert len(await tab.value(left)) < 5

        stream = "document.getElementById('jobs.events')"
        await tab.value(f"{stream}.querySelectorAll('.answers details').forEach((one) => {{ one.open = true; }})")
        await tab.shows(f"{stream}.textContent.includes('ends because it was not read')")
        await tab.shows(f"{stream}.textContent.includes('no-store')")

        problem = f"{article}.querySelector('.answers > li:last-child details')"
        await tab.value(f"{problem}.open = true")
        await tab.shows(f"{problem}.textContent.includes('A stable word for a program')")
        assert tab.complaints == []
