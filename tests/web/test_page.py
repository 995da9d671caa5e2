"""The page behind the one-time link: what it is made of, and one walk through it in a real browser."""

import re
import shutil
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest

import arqsvc
from arqsvc.api.keys import BROWSER, KeyKind, create_secret
from arqsvc.cli.analyze import demo_record
from arqsvc.cli.instance import running_instance
from arqsvc.jobs.record import State
from arqsvc.settings import Settings
from tests.service import Service
from tests.web.browser import open_tab

WEB = Path(arqsvc.__file__).parent / "web"
LIMIT_BYTES = 36_000
"""All that a browser loads. Files alone took 32,000, accessions and their downloads 4,000 more; the JS and CSS of a
whole dashboard are to stay below 60,000."""
LOGIN = ("login.html", "login.js")
LOGIN_BYTES = 2_000
"""What a browser loads beside that, once, to sign in."""
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


RECORD = """
told = [];
new MutationObserver(() => {
  const parts = ["title", "word", "note"].map((name) => document.querySelector(`.job .${name}`).textContent);
  told.push(parts.join(" "));
}).observe(document.getElementById("list"), { childList: true, characterData: true, subtree: true });
"""
"""Takes down all that the first row says, as it changes."""


class Markup(HTMLParser):
    """The elements of a page, and the text within scripts and styles."""

    def __init__(self, page: str = "index.html") -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self.feed((WEB / page).read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in {"script", "style"} and data.strip():
            self.inline.append(data)

    def all(self, attribute: str) -> set[str]:
        return {value for _, attributes in self.elements if (value := attributes.get(attribute))}


def source() -> str:
    return "\n".join(path.read_text() for path in WEB.glob("*.js"))


async def test_each_file_is_served_with_its_media_type(api: Service) -> None:
    for path in filter(Path.is_file, WEB.iterdir()):
        answer = await api.http.get(str(api.http.base_url.copy_with(path=f"/{path.name}")))
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        assert answer.headers["content-type"].startswith(MEDIA_TYPES[path.suffix])
    root = await api.http.get(str(api.http.base_url.copy_with(path="/")))
    assert root.content == (WEB / "index.html").read_bytes()


def test_all_of_it_is_small() -> None:
    login = [WEB / name for name in LOGIN]
    page = [path for path in WEB.iterdir() if path.is_file() and path not in login]
    assert sum(path.stat().st_size for path in page) < LIMIT_BYTES
    assert sum(path.stat().st_size for path in login) < LOGIN_BYTES


@pytest.mark.parametrize("name", ["index.html", "login.html"])
def test_nothing_is_inline_so_that_a_strict_policy_can_hold(name: str) -> None:
    page = Markup(name)
    assert page.inline == []
    assert not [tag for tag, _ in page.elements if tag == "style"]
    named = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in named if name == "style" or name.startswith("on")}


def test_whatever_it_refers_to_comes_with_it() -> None:
    for page in (Markup(), Markup("login.html")):
        assert {path for path in page.all("src") | page.all("href") if not (WEB / path).is_file()} == set()
    imported = set(re.findall(r'from "\./(.+?)"', source()))
    assert imported
    assert {name for name in imported if not (WEB / name).is_file()} == set()
    addresses = {address for path in WEB.glob("*.*") for address in re.findall(r"https?://[^\"\s]+", path.read_text())}
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_data_never_becomes_markup_or_code() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|createContextualFragment"
    assert re.findall(ways, source()) == []


def test_the_parts_that_the_code_names_are_in_the_markup() -> None:
    page = Markup()
    ids = set(re.findall(r'(?:\$|getElementById)\("([\w-]+)"\)', source()))
    assert "list" in ids
    assert ids <= page.all("id")
    parts = set(re.findall(r'parts(?:\.|\[")([\w-]+)', source()))
    assert "title" in parts
    assert parts <= page.all("class")
    assert {state.value for state in State} | {"sending", "retrying"} <= page.all("id")


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_their_grounds(theme: int) -> None:
    tokens = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", (WEB / "style.css").read_text())
    colours = {name: values[theme] for name, *values in tokens}
    text = product(("text", "muted", "link", "danger"), ("bg", "surface", "raised"))
    marks = product(("rest", "running", "retrying", "succeeded", "failed", "line"), ("bg", "surface"))
    weak = [pair for pair in text if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    weak += [pair for pair in marks if round(contrast(colours[pair[0]], colours[pair[1]]), 1) < 3]
    assert weak == []
    assert contrast(colours["primary"], colours["on-primary"]) >= 4.5


@pytest.mark.debian("chromium")
async def test_numbers_are_short_and_never_say_more_than_was_measured(api: Service, tmp_path: Path) -> None:
    written = {
        "count(null)": "–", "count(0)": "0", "count(1234567)": "1 234 567",
        "basePairs(812)": "812 bp", "basePairs(999)": "999 bp", "basePairs(4641652)": "4.64 Mb",
        "basePairs(999499)": "999 kb", "basePairs(999999)": "1.00 Mb", "basePairs(12345)": "12.3 kb",
        "bytes(0)": "0 B", "bytes(1023)": "1 023 B", "bytes(1024)": "1.00 KiB", "bytes(3489454)": "3.33 MiB",
        "percent(null)": "–", "percent(0)": "0 %", "percent(0.0004)": "< 0.1 %", "percent(0.5079)": "50.8 %",
        "percent(0.9999)": "99.9 %", "percent(1)": "100 %",
        "duration(0.04)": "0.0 s", "duration(9.4)": "9.4 s", "duration(9.6)": "10 s", "duration(59.4)": "59 s",
        "duration(59.5)": "1 min 00 s", "duration(3720)": "1 h 02 min", "duration(198000)": "2 d 07 h",
        "age(59)": "just now", "age(60)": "1 min ago", "age(7200)": "2 h ago", "age(86400)": "1 d ago",
    }  # fmt: skip
    async with open_tab(tmp_path / "profile") as tab:
        await tab.call("Page.navigate", url=str(api.http.base_url.copy_with(path="/")))
        await tab.shows("document.querySelector('#signed-out:not([hidden])')")
        calls = ", ".join(f"[{call!r}, format.{call}]" for call in written)
        found = dict(await tab.value(f"import('/format.js').then((format) => [{calls}])"))
    assert {call: text.replace("\u202f", " ") for call, text in found.items()} == written


@pytest.mark.debian("chromium")
async def test_a_link_signs_in_once_and_a_used_one_says_so(api: Service, tmp_path: Path) -> None:
    url = api.client.url
    secret = await create_secret(KeyKind.LINK, project="tester", name="browser", scopes=BROWSER)
    async with open_tab(tmp_path / "profile") as tab:
        await tab.call("Page.navigate", url=f"{url}/login#t={secret}")
        await tab.shows("document.querySelector('#empty:not([hidden])')")
        assert await tab.value("[location.href, history.length, document.cookie]") == [f"{url}/", 2, ""]
        session = await tab.value("fetch('/api/v1/session').then((answer) => answer.json())")
        assert (session["project"], session["scopes"]) == ("tester", sorted(BROWSER))
        assert tab.complaints == []

        for fragment, said in (("", "no token"), (f"t={secret}", "was used before")):
            await tab.call("Page.navigate", url=f"{url}/login#{fragment}")
            await tab.shows(f"document.querySelector('[role=alert]')?.textContent.includes('{said}')")
            assert await tab.value("location.href") == f"{url}/login"
        assert [text for text in tab.complaints if "401" not in text] == []
        assert await tab.value("fetch('/api/v1/session', {method: 'DELETE'}).then((answer) => answer.status)") == 204
        assert await tab.value("fetch('/api/v1/session').then((answer) => answer.status)") == 401


@pytest.mark.debian("chromium")
async def test_a_person_goes_from_the_link_to_the_report(tmp_path: Path) -> None:
    settings = Settings.read({}, state_dir=tmp_path / "state", port=0)
    genome = Path(shutil.copy(demo_record(), tmp_path / "mine.gbk.gz"))
    hostile = tmp_path / "<img src=x onerror=alert(1)>.gb"
    hostile.write_text("<html>Not found</html>")
    async with running_instance(settings) as instance, open_tab(tmp_path / "profile") as tab:
        await tab.call("Page.navigate", url=instance.url)
        await tab.shows("document.querySelector('#signed-out:not([hidden])')")
        secret = await create_secret(KeyKind.LINK, project="default", name="browser")
        await tab.call("Page.navigate", url=f"{instance.url}/login#t={secret}")
        await tab.shows("document.querySelector('#empty:not([hidden])')")
        assert await tab.value("location.href") == f"{instance.url}/"
        assert await tab.value("document.cookie") == ""
        tab.complaints.clear()  # the first look, without a session, was answered with 401

        await tab.value(RECORD)
        await tab.choose("#file", genome)
        await tab.shows("document.querySelector('[data-state=succeeded] .report:not([hidden])')")
        told = await tab.value("told")
        assert told[0] == "mine.gbk.gz sending waits to be sent"
        assert [line for line in told if line.startswith("mine.gbk.gz running visualization")]
        assert await tab.value("document.querySelector('.job .title').textContent") == "Arabidopsis thaliana"
        assert await tab.value("document.querySelector('.numbers dd').textContent") == "154\u202fkb"
        assert await tab.value("document.querySelector('#connection').textContent") == "live"

        await tab.choose("#file", hostile)
        await tab.shows("document.querySelector('[data-state=failed] .problem:not([hidden])')")
        shown = "document.querySelector('[data-state=failed] .{}').textContent"
        assert await tab.value(shown.format("title")) == hostile.name
        assert "HTML" in await tab.value(shown.format("problem-detail"))
        assert await tab.value("document.querySelectorAll('.job').length") == 2
        assert tab.complaints == []

        await tab.call(
            "Page.navigate", url=await tab.value("document.querySelector('[data-state=succeeded] .report').href")
        )
        await tab.shows("document.title.includes('Arabidopsis thaliana')")
