"""Where a request of a caller's choice may go: what is checked is what is connected to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trustme

from arqsvc.errors import AddressRefused, SourceUnavailable
from arqsvc.infra.outward import READ, check_url, is_allowed, open_outward
from tests.infra.loopback import Asked, Reply, always, loopback


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.0.1",
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1",
        "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_what_is_not_for_all_the_world_is_refused(address: str) -> None:
    assert not is_allowed(address, private=False)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_public_is_allowed(address: str) -> None:
    assert is_allowed(address, private=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.0.9", "fd12::1", "::ffff:10.0.0.1"])
def test_the_setting_opens_this_host_and_private_networks(address: str) -> None:
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "fd00:ec2::254"])
def test_the_setting_opens_nothing_else(address: str) -> None:
    assert not is_allowed(address, private=True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "http:///x", "example.org", "http://u:p@example.org/",
        "http://x:0/", "http://x:99999/", "http://a b/", "http://x\ny/", "https://xn--a/",
    ],
)  # fmt: skip
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


def names(answers: Sequence[Sequence[str]]) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """Return what looks up names, with these answers in turn, and the names that it was asked."""
    left, asked = list(answers), list[str]()

    async def look_up(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0)

    return look_up, asked


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to() -> None:
    look_up, asked = names([["127.0.0.1"]])
    async with loopback() as server, open_outward(private=True, at_once=2, lookup=look_up) as outward:
        server.answers = always("200 OK", b"yes")
        url = f"http://hooks.example:{server.port}/a?b=c"
        for _ in range(2):
            heard = await outward.post(url, b"", {}, timeout_s=5)
            assert (heard.status, heard.body) == (200, b"yes")
        assert asked == ["hooks.example"]
        assert {(one.target, one.headers["host"]) for one in server.asked} == {
            ("/a?b=c", f"hooks.example:{server.port}")
        }


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"]])
async def test_a_name_that_stands_for_a_private_address_is_not_connected_to(found: list[str]) -> None:
    look_up, _ = names([found])
    async with loopback() as server, open_outward(private=False, at_once=2, lookup=look_up) as outward:
        with pytest.raises(AddressRefused, match="not public"):
            await outward.post(f"http://hooks.example:{server.port}/", b"", {}, timeout_s=5)
        assert server.asked == []


async def test_the_certificate_must_be_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(tls)
    look_up, _ = names([["127.0.0.1"]] * 2)
    async with loopback(tls) as server, open_outward(private=True, at_once=2, lookup=look_up) as outward:
        server.answers = always("200 OK")
        assert (await outward.post(f"https://hooks.example:{server.port}/", b"", {}, timeout_s=5)).status == 200
        with pytest.raises(SourceUnavailable, match="failed"):
            await outward.post(f"https://other.example:{server.port}/", b"", {}, timeout_s=5)


async def test_an_answer_without_end_is_cut_off_and_one_that_does_not_come_is_given_up() -> None:
    async def endless(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", "Transfer-Encoding: chunked")
        while True:
            await reply.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    async def never(asked: Asked, reply: Reply) -> None:
        await asyncio.sleep(60)

    async with loopback() as server, open_outward(private=True, at_once=2) as outward:
        server.answers = endless
        assert len((await outward.post(server.url, b"", {}, timeout_s=5)).body) == 1024 < READ
        server.answers = never
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.1 s"):
            await outward.post(server.url, b"", {}, timeout_s=0.1)


async def test_the_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with loopback() as server, open_outward(private=True, at_once=2) as outward:
        server.answers = always("200 OK")
        assert (await outward.post(server.url, b"", {}, timeout_s=5)).status == 200
