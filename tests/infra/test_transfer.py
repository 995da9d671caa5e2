"""A file on its way to disk: whole, verified by count, resumed where that is safe, and whatever a source does to it."""

import asyncio
import fcntl
import gzip
import hashlib
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from arqsvc.errors import BadInput, OutOfSpace, SourceRefused, SourceUnavailable, Throttled
from arqsvc.infra.budget import Budget
from arqsvc.infra.http import Fetched, Http, OnBytes
from tests.infra.loopback import Answers, Asked, Loopback, Reply, always, client, in_turn, loopback

ANY = Budget("loopback", 1000)
DATA = bytes(range(256)) * 4000  # 1,024,000 bytes
BOMB = gzip.compress(bytes(10_000_000))
ETAG = 'ETag: "one"'
MODIFIED = "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.fixture
async def source() -> AsyncIterator[Loopback]:
    async with loopback() as source:
        yield source


@pytest.fixture
async def http(tmp_path: Path, redis_url: str) -> AsyncIterator[Http]:
    async with client(tmp_path, redis_url) as http:
        yield http


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    folder = tmp_path / "partial"
    folder.mkdir()
    return folder / "file"


def left(partial: Path) -> list[str]:
    """What lies in the folder."""
    return sorted(path.name for path in partial.parent.iterdir())


def told(come: Callable[[int, int | None], object]) -> OnBytes:
    """Return what a call tells its bytes to, which hands them on."""

    async def on_bytes(done: int, total: int | None) -> None:
        come(done, total)

    return on_bytes


def is_data(fetched: Fetched, data: bytes = DATA) -> bool:
    """Whether the file and all that is said of it are these bytes."""
    return (fetched.path.read_bytes(), fetched.size_bytes, fetched.sha256, fetched.md5) == (
        data,
        len(data),
        hashlib.sha256(data).hexdigest(),
        hashlib.md5(data).hexdigest(),
    )


def serves(data: bytes, *headers: str, until: int | None = None, ranges: bool = True) -> Answers:
    """Return a source of these bytes that ends the connection at `until`, if that is set."""

    async def answer(asked: Asked, reply: Reply) -> None:
        start = 0
        known = [header.partition(": ")[2] for header in headers]
        if ranges and asked.range and asked.headers["if-range"] in known:
            start = int(asked.range.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                await reply.status("416 No", b"", f"Content-Range: bytes */{len(data)}", *headers)
                return
            part = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}"
            await reply.head("206 Part", part, f"Content-Length: {len(data) - start}", *headers)
        else:
            await reply.head("200 OK", f"Content-Length: {len(data)}", *headers)
        await reply.send(data[start:until])
        if until is not None:
            reply.cut()

    return answer


async def test_a_file_comes_whole_with_its_digests_where_it_came_from_and_what_was_said_of_it(
    http: Http, source: Loopback, partial: Path
) -> None:
    seen: list[tuple[int, int | None]] = []
    heads: list[tuple[bytes, str]] = []
    source.answers = serves(DATA, ETAG, MODIFIED, "Content-Type: text/plain")
    fetched = await http.download(
        f"{source.url}/a",
        partial,
        budget=ANY,
        params={"key": "k"},
        check=lambda head, kind: heads.append((head, kind)),
        on_bytes=told(lambda *come: seen.append(come)),
    )
    assert is_data(fetched)
    assert (fetched.transferred_bytes, fetched.declared_bytes) == (len(DATA), len(DATA))
    assert (fetched.url, fetched.etag) == (f"{source.url}/a", '"one"')
    assert fetched.last_modified == MODIFIED.partition(": ")[2]
    assert heads == [(DATA[:4096], "text/plain")]
    assert seen == sorted(seen)
    assert seen[-1] == (len(DATA), len(DATA))
    assert source.asked[0].headers["accept-encoding"] == "identity"
    assert left(partial) == [fetched.path.name]


async def test_an_empty_file_and_one_of_unknown_length_come_too(http: Http, source: Loopback, partial: Path) -> None:
    heads: list[bytes] = []

    async def chunked(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", "Transfer-Encoding: chunked")
        await reply.send(b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n")

    source.answers = in_turn(always("200 OK"), chunked)
    for data in (b"", b"abcde"):
        fetched = await http.download(source.url, partial, budget=ANY, check=lambda head, _: heads.append(head))
        assert is_data(fetched, data)
        assert fetched.declared_bytes == (None if data else 0)
    assert heads == [b"", b"abcde"]


async def test_a_transfer_that_is_cut_goes_on_where_it_was(http: Http, source: Loopback, partial: Path) -> None:
    cut = len(DATA) * 6 // 10
    source.answers = in_turn(serves(DATA, ETAG, until=cut), serves(DATA, ETAG, until=cut + 1), serves(DATA, ETAG))
    fetched = await http.download(f"{source.url}/a?k=1", partial, budget=ANY)
    assert is_data(fetched)
    assert fetched.transferred_bytes == len(DATA)
    assert [asked.range for asked in source.asked] == [None, f"bytes={cut}-", f"bytes={cut + 1}-"]
    assert left(partial) == [fetched.path.name]


@pytest.mark.parametrize("headers", [[ETAG, MODIFIED], [MODIFIED], ['ETag: W/"weak"', MODIFIED]])
async def test_what_another_call_left_is_taken_up_by_strong_tag_or_date(
    http: Http, source: Loopback, partial: Path, headers: list[str]
) -> None:
    source.answers = in_turn(serves(DATA, *headers, until=5000), always("503 Oh"), serves(DATA, *headers))
    with pytest.raises(SourceUnavailable, match="cannot answer now"):
        await http.download(source.url, partial, budget=ANY)
    assert left(partial) == ["file", "file.json"]
    fetched = await http.download(source.url, partial, budget=ANY)
    assert is_data(fetched)
    assert fetched.transferred_bytes == len(DATA) - 5000
    assert source.asked[2].headers["if-range"] == (headers[0] if headers[0] == ETAG else MODIFIED).partition(": ")[2]


@pytest.mark.parametrize(
    "headers", [[], ['ETag: W/"weak"'], [ETAG, "Accept-Ranges: none"], [ETAG, "Content-Encoding: gzip"]]
)
async def test_what_cannot_be_told_to_be_the_same_later_is_not_kept(
    http: Http, source: Loopback, partial: Path, headers: list[str]
) -> None:
    data = BOMB if "Content-Encoding: gzip" in headers else DATA
    source.answers = serves(data, *headers, until=6000)
    with pytest.raises(SourceUnavailable, match=rf"broke off after 6,000 of {len(data):,} bytes\.$"):
        await http.download(source.url, partial, budget=ANY)
    assert (len(source.asked), left(partial)) == (1, [])


async def test_a_source_without_ranges_that_always_cuts_is_given_up_once_a_go_brings_nothing_new(
    http: Http, source: Loopback, partial: Path
) -> None:
    source.answers = serves(DATA, ETAG, until=7000, ranges=False)
    with pytest.raises(SourceUnavailable, match=f"after 7,000 of {len(DATA):,} bytes"):
        await http.download(source.url, partial, budget=ANY)
    assert len(source.asked) == 2


async def test_a_source_that_cuts_again_and_again_is_given_up_after_five_goes(
    http: Http, source: Loopback, partial: Path
) -> None:
    async def a_little(asked: Asked, reply: Reply) -> None:
        start = int(asked.range[6:-1]) if asked.range else 0
        await serves(DATA, ETAG, until=start + 5000)(asked, reply)

    source.answers = a_little
    with pytest.raises(SourceUnavailable, match=f"after 25,000 of {len(DATA):,} bytes"):
        await http.download(source.url, partial, budget=ANY)
    assert len(source.asked) == 5
    assert partial.stat().st_size == 25_000


async def test_a_source_that_denies_the_rest_at_the_last_go_is_given_up(
    http: Http, source: Loopback, partial: Path
) -> None:
    cuts = [serves(DATA, ETAG, until=5000 * go) for go in range(1, 5)]
    source.answers = in_turn(*cuts, always("416 No"))
    with pytest.raises(SourceUnavailable, match="does not send the rest of the file, nor the whole of it"):
        await http.download(source.url, partial, budget=ANY)
    assert left(partial) == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_a_source_does_what_comes_whole_is_one_file_and_never_pieces_of_two(
    http: Http, source: Loopback, partial: Path, seed: int
) -> None:
    chance = random.Random(seed)
    files = {f'"{number}"': chance.randbytes(30_000) for number in range(2)}

    async def whim(asked: Asked, reply: Reply) -> None:
        etag, data = chance.choice(list(files.items()))
        start = int(asked.range[6:-1]) if asked.range else 0
        shift = chance.choice([0, 0, 0, 1])
        match chance.choice(["whole", "rest", "rest", "rest", "cut", "cut", "503", "416"]):
            case "503":
                await reply.status("503 Oh")
            case "416" if asked.range:
                await reply.status("416 No", b"", f"Content-Range: bytes */{len(data) - shift}")
            case "rest" if asked.range and asked.headers["if-range"] == etag:
                part = f"Content-Range: bytes {start + shift}-{len(data) - 1}/{len(data)}"
                await reply.head("206 Part", part, f"Content-Length: {len(data) - start - shift}", f"ETag: {etag}")
                await reply.send(data[start + shift : chance.choice([None, start + 7000])])
                reply.cut()
            case way:
                await reply.head("200 OK", f"Content-Length: {len(data)}", f"ETag: {etag}")
                await reply.send(data[: None if way == "whole" else chance.randrange(len(data))])
                reply.cut()

    source.answers = whim
    whole = 0
    for _ in range(40):
        try:
            fetched = await http.download(source.url, partial, budget=ANY)
        except (SourceUnavailable, SourceRefused):
            continue
        whole += 1
        assert fetched.etag
        assert is_data(fetched, files[fetched.etag])
        fetched.path.unlink()
    assert whole > 5


async def test_another_file_by_now_begins_anew(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = in_turn(serves(DATA, ETAG, until=5000), serves(DATA[::-1], 'ETag: "two"'))
    fetched = await http.download(source.url, partial, budget=ANY)
    assert is_data(fetched, DATA[::-1])
    assert (fetched.transferred_bytes, fetched.etag) == (len(DATA) + 5000, '"two"')


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("206 Part", ["Content-Range: bytes 4999-1023999/1024000", ETAG], DATA[4999:]),
        ("206 Part", ["Content-Range: bytes 5000-1023999/1024001", ETAG], DATA[5000:]),
        ("206 Part", ["Content-Range: bytes 5000-1023999/1024000", 'ETag: "two"'], DATA[5000:]),
        ("206 Part", ["Content-Range: bytes 5000-1023999/1024000", ETAG, "Content-Encoding: gzip"], DATA[5000:]),
        ("206 Part", [ETAG], DATA[5000:]),
        ("416 No", ["Content-Range: bytes */1024000"], b""),
        ("416 No", [], b""),
    ],
)
async def test_a_rest_that_does_not_fit_begins_anew(
    http: Http, source: Loopback, partial: Path, status: str, headers: list[str], body: bytes
) -> None:
    source.answers = in_turn(serves(DATA, ETAG, until=5000), always(status, body, *headers), serves(DATA, ETAG))
    assert is_data(await http.download(source.url, partial, budget=ANY))
    assert [asked.range for asked in source.asked] == [None, "bytes=5000-", None]


async def test_a_rest_that_was_not_asked_for_is_no_file(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = always("206 Part", b"x", "Content-Range: bytes 1-1/2")
    with pytest.raises(SourceUnavailable, match="sends a part of the file, which was not asked for"):
        await http.download(source.url, partial, budget=ANY)


async def test_a_rest_of_unknown_length_is_counted_against_what_is_known(
    http: Http, source: Loopback, partial: Path
) -> None:
    def rest(body: bytes) -> Answers:
        async def answer(asked: Asked, reply: Reply) -> None:
            start = asked.headers["range"][6:-1]
            await reply.head("206 Part", f"Content-Range: bytes {start}-{len(DATA) - 1}/*", ETAG, "Connection: close")
            await reply.send(body)
            reply.cut()

        return answer

    source.answers = in_turn(serves(DATA, ETAG, until=5000), rest(DATA[5000:6000]), rest(b""), serves(DATA, ETAG))
    with pytest.raises(SourceUnavailable, match=r"declares 1,024,000 bytes and sends 6,000\.$"):
        await http.download(source.url, partial, budget=ANY)
    fetched = await http.download(source.url, partial, budget=ANY)
    assert (is_data(fetched), fetched.transferred_bytes) == (True, len(DATA) - 6000)


async def test_what_is_longer_than_declared_is_an_error_with_both_numbers_and_not_kept(
    http: Http, source: Loopback, partial: Path
) -> None:
    async def more(asked: Asked, reply: Reply) -> None:
        part = f"Content-Range: bytes 5000-{len(DATA) - 1}/{len(DATA)}"
        await reply.status("206 Part", DATA[5000:] + b"more", part, ETAG)

    source.answers = in_turn(serves(DATA, ETAG, until=5000), more)
    with pytest.raises(SourceUnavailable, match=r"declares 1,024,000 bytes and sends at least 1,024,004"):
        await http.download(source.url, partial, budget=ANY)
    assert left(partial) == []


async def test_bytes_behind_the_declared_end_are_not_taken_and_harm_no_other_request(
    http: Http, source: Loopback, partial: Path
) -> None:
    async def longer(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", "Content-Length: 5")
        await reply.send(b"abcdefgh")

    source.answers = longer
    for _ in range(3):
        assert is_data(await http.download(source.url, partial, budget=ANY), b"abcde")


async def test_a_transfer_that_stands_still_and_one_that_drips_are_taken_up_anew_and_given_up(
    source: Loopback, partial: Path, tmp_path: Path, redis_url: str
) -> None:
    async def stands(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {len(DATA)}", ETAG)
        await reply.send(DATA[:5000])
        await asyncio.sleep(60)

    async def drips(asked: Asked, reply: Reply) -> None:
        start = int(asked.range[6:-1]) if asked.range else 0
        part = f"Content-Range: bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        await reply.head("206 Part", part, f"Content-Length: {len(DATA) - start}", ETAG)
        for at in range(start, len(DATA)):
            await reply.send(DATA[at : at + 1])
            await asyncio.sleep(0.02)

    async with client(tmp_path, redis_url, stall_s=0.2) as http:
        source.answers = in_turn(stands, serves(DATA, ETAG))
        fetched = await http.download(source.url, partial, budget=ANY)
        assert is_data(fetched)
        assert fetched.transferred_bytes == len(DATA)
        source.answers = in_turn(stands, drips, always("500 Oh"))
        with pytest.raises(SourceUnavailable, match="cannot answer now"):
            await http.download(source.url, partial, budget=ANY)
        assert 5000 < partial.stat().st_size < 5100
        source.answers = in_turn(drips, always("404 No"))
        with pytest.raises(SourceRefused):
            await http.download(source.url, partial, budget=ANY)
    assert not partial.exists()


async def test_a_stall_says_how_far_it_came(source: Loopback, partial: Path, tmp_path: Path, redis_url: str) -> None:
    async def stands(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {len(DATA)}")
        await reply.send(DATA[:5000])
        await asyncio.sleep(60)

    source.answers = stands
    async with client(tmp_path, redis_url, stall_s=0.2) as http:
        with pytest.raises(SourceUnavailable, match=r"stalled after 5,000 of 1,024,000 bytes\.$"):
            await http.download(source.url, partial, budget=ANY)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
async def test_gzip_that_was_not_asked_for_is_undone_on_the_way(
    http: Http, source: Loopback, partial: Path, encoding: str
) -> None:
    sent = gzip.compress(DATA[:300_000]) + gzip.compress(DATA[300_000:])
    heads: list[bytes] = []
    source.answers = serves(sent, ETAG, f"Content-Encoding: {encoding}")
    fetched = await http.download(source.url, partial, budget=ANY, check=lambda head, _: heads.append(head))
    assert is_data(fetched)
    assert (heads, fetched.declared_bytes, fetched.transferred_bytes) == ([DATA[:4096]], None, len(sent))
    assert (await http.get(source.url, budget=ANY)).body == DATA


async def test_a_little_gzip_that_stands_for_much_is_expanded_piece_by_piece(
    http: Http, source: Loopback, partial: Path
) -> None:
    grown: list[int] = []
    source.answers = serves(BOMB, "Content-Encoding: gzip")
    await http.download(source.url, partial, budget=ANY, on_bytes=told(lambda done, _: grown.append(done)))
    assert grown[-1] == 10_000_000
    assert max(b - a for a, b in pairwise(grown)) <= 256 * 1024
    with pytest.raises(SourceRefused, match="more than the 1,000 bytes"):
        await http.get(source.url, budget=ANY, limit_bytes=1000)


async def test_a_file_that_is_gzip_by_its_name_is_kept_as_it_lies_there(
    http: Http, source: Loopback, partial: Path
) -> None:
    sent = gzip.compress(DATA[: 10**5])
    source.answers = serves(sent, ETAG, "Content-Encoding: x-gzip")
    assert is_data(await http.download(f"{source.url}/a.gbff.gz", partial, budget=ANY), sent)


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("br", b"x", "sends the encoding 'br', which was not asked for"),
        ("gzip", b"no gzip", "as gzip is broken"),
        ("gzip", gzip.compress(DATA)[:-4], "broke off after"),
    ],
)
async def test_an_encoding_that_cannot_be_undone_is_said(
    http: Http, source: Loopback, partial: Path, encoding: str, body: bytes, said: str
) -> None:
    source.answers = always("200 OK", body, f"Content-Encoding: {encoding}", ETAG)
    with pytest.raises(SourceUnavailable, match=said):
        await http.download(source.url, partial, budget=ANY)
    assert left(partial) == []


async def test_what_the_check_refuses_leaves_nothing(http: Http, source: Loopback, partial: Path) -> None:
    def refuse(head: bytes, kind: str) -> None:
        raise BadInput(f"{head[:6]!r} of {kind}")

    source.answers = in_turn(serves(DATA, ETAG, until=5000), always("503 Oh"))
    with pytest.raises(SourceUnavailable):
        await http.download(source.url, partial, budget=ANY)
    source.answers = always("200 OK", b"<html>", "Content-Type: text/html", 'ETag: "two"')
    with pytest.raises(BadInput, match=r"b'<html>' of text/html"):
        await http.download(source.url, partial, budget=ANY, check=refuse)
    assert left(partial) == []


async def test_a_page_that_may_pass_does_not_take_the_place_of_what_came_before(
    http: Http, source: Loopback, partial: Path
) -> None:
    def no_page(head: bytes, kind: str) -> None:
        if head.startswith(b"<"):
            raise SourceUnavailable("a page")

    page = always("200 OK", b"<html>")
    source.answers = in_turn(serves(DATA, ETAG, until=5000), page, serves(DATA, ETAG))
    with pytest.raises(SourceUnavailable, match="a page"):
        await http.download(source.url, partial, budget=ANY, check=no_page)
    fetched = await http.download(source.url, partial, budget=ANY, check=no_page)
    assert (is_data(fetched), fetched.transferred_bytes) == (True, len(DATA) - 5000)


async def test_a_check_that_finds_a_plea_to_wait_lets_everybody_pause(
    http: Http, source: Loopback, partial: Path
) -> None:
    def plea(head: bytes, kind: str) -> None:
        raise Throttled("rate limit exceeded", delay_s=5)

    source.answers = always("200 OK", b"slow down")
    for said in (r"asks to wait until .* UTC\. It said: rate limit exceeded", r"asks to wait until .* UTC\.$"):
        with pytest.raises(Throttled, match=said):
            await http.download(source.url, partial, budget=ANY, check=plea)
    assert len(source.asked) == 1


async def test_a_refusal_leaves_nothing(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = in_turn(serves(DATA, ETAG, until=5000), always("404 No"))
    with pytest.raises(SourceRefused):
        await http.download(source.url, partial, budget=ANY)
    assert left(partial) == []


async def test_a_file_that_cannot_fit_is_refused_before_it_is_written(
    http: Http, source: Loopback, partial: Path
) -> None:
    async def huge(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {10**18}")
        await reply.send(DATA)

    source.answers = huge
    with pytest.raises(OutOfSpace, match=r"bytes free, and 1,000,000,000,000,000,000 are still to come") as full:
        await http.download(source.url, partial, budget=ANY)
    assert full.value.facts["needed_bytes"] == 10**18
    assert left(partial) == []


async def test_a_folder_that_is_none_is_one_clear_line(http: Http, source: Loopback, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(OutOfSpace, match="plain cannot be written: Not a directory"):
        await http.download(source.url, tmp_path / "plain" / "file", budget=ANY)


async def test_two_at_once_never_write_the_same_file(http: Http, source: Loopback, partial: Path) -> None:
    arrived = asyncio.Barrier(3)

    async def together(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {len(DATA)}", ETAG)
        await reply.send(DATA[:5000])
        await arrived.wait()
        await reply.send(DATA[5000:])

    source.answers = together
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [group.create_task(http.download(source.url, partial, budget=ANY)) for _ in range(2)]
        await arrived.wait()
    both = [task.result() for task in tasks]
    assert all(map(is_data, both))
    assert both[0].path != both[1].path
    assert left(partial) == sorted(fetched.path.name for fetched in both)


async def test_a_whole_file_is_not_touched_by_who_comes_next(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = in_turn(serves(DATA, ETAG), serves(DATA[::-1], ETAG, until=5000), always("503 Oh"))
    fetched = await http.download(source.url, partial, budget=ANY)
    with pytest.raises(SourceUnavailable):
        await http.download(source.url, partial, budget=ANY)
    assert is_data(fetched)


LATE = """
import asyncio, sys
from pathlib import Path
from arqsvc.infra.partial import open_partial

path = Path(sys.argv[1])

def another_finishes(event, args):
    if event == "fcntl.flock" and path.read_bytes() == b"whole":
        path.rename(path.with_name("whole"))

async def main():
    async with open_partial(path, "http://host/") as partial:
        await partial.begin(None)
        partial.write(b"new")
        print(path.read_bytes(), path.with_name("whole").read_bytes())

sys.addaudithook(another_finishes)
asyncio.run(main())
"""


async def test_who_opens_a_file_that_another_just_finishes_does_not_write_into_that(partial: Path) -> None:
    """A lock that is got on what has another name by now is no lock."""
    partial.write_bytes(b"whole")
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", LATE, partial, stdout=asyncio.subprocess.PIPE)
    assert (await child.communicate())[0] == b"b'new' b'whole'\n"


async def test_who_finds_a_file_in_use_begins_one_of_its_own(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = serves(DATA, ETAG)
    with partial.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fetched = await http.download(source.url, partial, budget=ANY)
    assert is_data(fetched)
    assert left(partial) == ["file", fetched.path.name]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}', json.dumps({"url": "http://other/"})])
async def test_what_lies_there_without_a_good_note_is_begun_anew(
    http: Http, source: Loopback, partial: Path, note: str
) -> None:
    partial.write_bytes(b"old")
    partial.with_name("file.json").write_text(note)
    source.answers = serves(DATA, ETAG)
    fetched = await http.download(source.url, partial, budget=ANY)
    assert is_data(fetched)
    assert (source.asked[0].range, left(partial)) == (None, [fetched.path.name])


async def test_another_address_begins_anew(http: Http, source: Loopback, partial: Path) -> None:
    source.answers = in_turn(serves(DATA, ETAG, until=5000), always("503 Oh"), serves(DATA[::-1], ETAG))
    with pytest.raises(SourceUnavailable):
        await http.download(f"{source.url}/a", partial, budget=ANY)
    assert is_data(await http.download(f"{source.url}/b", partial, budget=ANY), DATA[::-1])


async def test_a_file_that_had_come_whole_when_its_process_was_killed_costs_no_bytes(
    http: Http, source: Loopback, partial: Path
) -> None:
    partial.write_bytes(DATA)
    note = {"url": f"{source.url}/", "etag": '"one"', "last_modified": None, "size_bytes": len(DATA)}
    partial.with_name("file.json").write_text(json.dumps(note))
    source.answers = serves(DATA, ETAG)
    fetched = await http.download(f"{source.url}/", partial, budget=ANY)
    assert (is_data(fetched), fetched.transferred_bytes, len(source.asked)) == (True, 0, 1)


KILLED = """
import asyncio, sys
from pathlib import Path
from arqsvc.infra.budget import Budget
from tests.infra.loopback import client

async def on_bytes(done, total):
    print(done, flush=True)

async def main(url, partial, redis_url):
    async with client(partial.parent, redis_url) as http:
        await http.download(url, partial, budget=Budget("loopback", 1000), on_bytes=on_bytes)

asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
"""


async def test_a_killed_process_loses_nothing_that_it_had_written(
    http: Http, source: Loopback, partial: Path, redis_url: str
) -> None:
    async def half(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {len(DATA)}", ETAG)
        await reply.send(DATA[:600_000])
        await asyncio.sleep(60)

    source.answers = half
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, f"{source.url}/a", partial, redis_url, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout
    while int(await child.stdout.readline()) < 600_000:
        pass
    child.send_signal(signal.SIGKILL)
    await child.wait()
    assert left(partial) == ["file", "file.json"]
    source.answers = serves(DATA, ETAG)
    fetched = await http.download(f"{source.url}/a", partial, budget=ANY)
    assert is_data(fetched)
    assert fetched.transferred_bytes == len(DATA) - 600_000


async def test_a_cancelled_call_keeps_what_came(http: Http, source: Loopback, partial: Path) -> None:
    came = asyncio.Queue[int]()

    async def half(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", f"Content-Length: {len(DATA)}", ETAG)
        await reply.send(DATA[:5000])
        await asyncio.sleep(60)

    source.answers = half
    task = asyncio.ensure_future(
        http.download(source.url, partial, budget=ANY, on_bytes=told(lambda done, _: came.put_nowait(done)))
    )
    while await came.get() < 5000:
        pass
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert partial.stat().st_size == 5000
    source.answers = serves(DATA, ETAG)
    assert (await http.download(source.url, partial, budget=ANY)).transferred_bytes == len(DATA) - 5000
