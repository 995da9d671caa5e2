"""What a source may do to us: drip for ever, send without end, lead astray, and say what must not be told."""

import asyncio
import gzip
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from arqsvc.errors import OutOfSpace, SourceRefused, SourceUnavailable, Throttled
from arqsvc.infra.budget import Budget
from arqsvc.infra.http import Http
from arqsvc.infra.transfer import LOOK_BYTES
from tests.infra.loopback import Answers, Asked, Loopback, Reply, always, client, in_turn, loopback

ANY = Budget("loopback", 1000)


def drips(first: bytes, drop: bytes) -> Answers:
    """Return what sends these bytes, and then the drop again and again."""

    async def answer(asked: Asked, reply: Reply) -> None:
        await reply.send(first)
        while True:
            await asyncio.sleep(0.02)
            await reply.send(drop)

    return answer


@pytest.mark.parametrize(
    ("first", "drop", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", "stalled before it answered"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", "stalled before it answered"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5;x=", b"x", "stalled after 5 bytes"),
    ],
)
async def test_what_drips_around_the_bytes_is_a_stall_too(
    source: Loopback, tmp_path: Path, redis_url: str, first: bytes, drop: bytes, said: str
) -> None:
    source.answers = drips(first, drop)
    async with client(tmp_path, redis_url, stall_s=0.2) as http, asyncio.timeout(5):
        with pytest.raises(SourceUnavailable, match=said):
            await http.get(source.url, budget=ANY)


async def test_the_wait_for_a_turn_is_no_stall(source: Loopback, tmp_path: Path, redis_url: str) -> None:
    source.answers = always("200 OK", b"a")
    async with client(tmp_path, redis_url, stall_s=0.2) as http:
        for _ in range(2):
            assert (await http.get(source.url, budget=Budget("loopback", 1))).body == b"a"


class Disk(NamedTuple):
    """How full a disk is."""

    total: int
    used: int
    free: int


async def test_what_does_not_say_how_long_it_is_ends_before_the_disk_is_full(
    http: Http, source: Loopback, partial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(bytes(LOOK_BYTES + 1), 1)
    source.answers = always("200 OK", bomb, "Content-Encoding: gzip", 'ETag: "one"')
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10_000_000, 9_600_000, 400_000))
    with pytest.raises(OutOfSpace, match=r"has 400,000 bytes free, and 500,000 are needed"):
        await http.download(source.url, partial, budget=ANY)
    assert list(partial.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "wrong"),
    [
        ("http://127.0.0.1:9/a", "to an address that is not public"),
        ("https://10.0.0.1/a", "to an address that is not public"),
        ("http://169.254.169.254/a", "to an address that is not public"),
        ("https://[::1]/a", "to an address that is not public"),
        ("http://other.invalid/a", "to another host by http, which is not safe"),
    ],
)
async def test_a_public_host_leads_nowhere_that_only_we_can_reach_and_to_no_other_by_http(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, to: str, wrong: str
) -> None:
    async with loopback() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        same = always("302 Found", b"", "Location: http://public.invalid/b")
        proxy.answers = in_turn(same, always("302 Found", b"", f"Location: {to}"))
        async with client(tmp_path, redis_url) as http:
            with pytest.raises(SourceRefused, match=rf"^public\.invalid sends us {wrong}\.$"):
                await http.get("http://public.invalid/a", budget=ANY)
    assert [asked.target for asked in proxy.asked] == ["http://public.invalid/a", "http://public.invalid/b"]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b'{"error":"API rate limit exceeded","api-key":"192.0.2.9"}', "API rate limit exceeded"),
        ("text/plain", b'{"error":"a", "message":"b", "ip":"192.0.2.9"}', "b"),
        ("application/json", b'{"ip":"192.0.2.9"}', ""),
        ("text/plain", b"slow\x1b[31m\x00 \x07down\xe2\x80\xae", "slow[31m down"),
    ],
)
async def test_of_a_plea_to_wait_only_its_words_are_told(
    http: Http, source: Loopback, kind: str, body: bytes, said: str
) -> None:
    source.answers = always("429 Slow", body, f"Content-Type: {kind}")
    with pytest.raises(Throttled) as throttled:
        await http.get(source.url, budget=ANY)
    assert throttled.value.facts["said"] == said
    assert throttled.value.detail.endswith(f" UTC. It said: {said}" if said else " UTC.")
