"""The one client: what a caller gets, and what each fault of a source becomes."""

import asyncio
import logging
import re
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from arqsvc import __version__
from arqsvc.errors import CannotStart, SourceRefused, SourceUnavailable, Throttled
from arqsvc.infra.budget import Budget
from arqsvc.infra.http import Http
from arqsvc.infra.redis import open_redis
from tests.infra.loopback import Answers, Asked, Loopback, Reply, always, client, in_turn, loopback

ANY = Budget("loopback", 1000)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def echo(asked: Asked, reply: Reply) -> None:
    await reply.status("200 OK", f"{asked.method} {asked.target}".encode(), "X-Kind: plain")


def redirects(to: str, status: str = "302 Found") -> Answers:
    return always(status, b"", f"Location: {to}")


async def test_a_small_answer_comes_whole_under_an_honest_name_and_no_secret_is_in_its_url_or_the_log(
    http: Http, source: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source.answers = echo
    params: dict[str, str | SecretStr] = {"api_key": SecretStr("s3cret"), "id": "NC_1"}
    answer = await http.get(f"{source.url}/a?b=1", budget=ANY, params=params, headers={"X-A": "1"})
    assert (answer.status, answer.body) == (200, b"GET /a?b=1&api_key=s3cret&id=NC_1")
    assert (answer.headers["x-kind"], answer.url) == ("plain", f"{source.url}/a")
    asked = source.asked[0].headers
    assert asked["user-agent"] == f"arqsvc/{__version__}"
    assert (asked["accept-encoding"], asked["x-a"]) == ("identity", "1")
    assert "s3cret" not in caplog.text


async def test_an_answer_over_its_limit_is_refused(http: Http, source: Loopback) -> None:
    source.answers = always("200 OK", b"x" * 1001)
    with pytest.raises(SourceRefused, match="sends more than the 1,000 bytes"):
        await http.get(source.url, budget=ANY, limit_bytes=1000)
    assert len((await http.get(source.url, budget=ANY, limit_bytes=1001)).body) == 1001


async def test_no_request_leaves_a_cookie_for_the_next(http: Http, source: Loopback) -> None:
    source.answers = always("200 OK", b"", "Set-Cookie: a=b; Path=/")
    for _ in range(2):
        await http.get(source.url, budget=ANY)
    assert all("cookie" not in asked.headers for asked in source.asked)


async def test_headers_of_the_caller_go_with_a_redirect_to_the_same_origin_only(http: Http, source: Loopback) -> None:
    async with loopback() as other:
        other.answers = echo
        source.answers = in_turn(redirects("/b"), redirects(f"{other.url}/c?token=t"))
        answer = await http.get(f"{source.url}/a", budget=ANY, params={"q": "1"}, headers={"Api-Key": "k"})
    assert (answer.body, answer.url) == (b"GET /c?token=t", f"{other.url}/c")
    assert [asked.target for asked in source.asked] == ["/a?q=1", "/b"]
    assert [asked.headers.get("api-key") for asked in source.asked + other.asked] == ["k", "k", None]


async def test_a_redirect_loop_ends_and_says_how_many_and_where(http: Http, source: Loopback) -> None:
    source.answers = redirects("/again?token=t")
    with pytest.raises(SourceRefused, match=rf"after 5 redirects again, to {source.url}/again\.$"):
        await http.get(source.url, budget=ANY)
    assert len(source.asked) == 6


@pytest.mark.parametrize(("to", "said"), [("ftp://a/b", "neither http nor https"), ("http://a:b/", "no address")])
async def test_a_redirect_to_what_is_no_http_is_refused(http: Http, source: Loopback, to: str, said: str) -> None:
    source.answers = in_turn(echo, redirects(to))
    await http.get(source.url, budget=ANY)
    with pytest.raises(SourceRefused, match=f"^{source.host} sends us to .*{said}"):
        await http.get(source.url, budget=ANY)


@pytest.mark.parametrize("status", [400, 404, 410, 451])
async def test_a_refusal_says_status_host_and_words_but_no_key(http: Http, source: Loopback, status: int) -> None:
    text = b"API key s3/cret is  wrong:\n ?api_key=s3%2Fcret&email=me%40a.org"
    source.answers = always(f"{status} No", text)
    secrets = {"api_key": SecretStr("s3/cret"), "email": SecretStr("me@a.org")}
    with pytest.raises(SourceRefused) as refused:
        await http.get(f"{source.url}/x", budget=ANY, params=secrets)
    said = "API key (hidden) is wrong: ?api_key=(hidden)&email=(hidden)"
    assert refused.value.facts == {"host": source.host, "status": status, "said": said}
    assert refused.value.detail == f"{source.host} refused the request (status {status}). It said: {said}"


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_what_may_pass_is_unavailable_and_of_a_page_only_its_title_is_told(
    http: Http, source: Loopback, status: int
) -> None:
    page = b"<!DOCTYPE html><HTML><head><title>\n Bad  gateway</title></head><body>" + b"much " * 1000
    source.answers = always(f"{status} Oh", page, "Content-Type: text/html")
    with pytest.raises(SourceUnavailable) as unavailable:
        await http.get(source.url, budget=ANY)
    assert unavailable.value.facts == {"host": source.host, "status": status, "said": "Bad gateway"}


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
async def test_long_words_are_cut_and_binary_ones_left_out(http: Http, source: Loopback, kind: str) -> None:
    source.answers = always("404 No", b"long " * 1000, f"Content-Type: {kind}")
    with pytest.raises(SourceRefused) as refused:
        await http.get(source.url, budget=ANY)
    assert len(refused.value.facts["said"]) == (200 if kind == "text/plain" else 0)


def dated(header: str) -> str:
    """Return a header with the date of so many seconds from now where it holds `{seconds}`."""

    def date(seconds: re.Match[str]) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=int(seconds[1])), usegmt=True)

    return re.sub(r"{(\d+)}", date, header)


@pytest.mark.parametrize(
    ("status", "headers", "least_s", "most_s"),
    [
        ("429 Slow", ["Retry-After: 7"], 7, 7.1),
        ("503 Slow", ["Retry-After: 7"], 7, 7.1),
        ("429 Slow", ["Retry-After: {600}"], 500, 601),
        ("429 Slow", ["Retry-After: {3609}", "Date: {3600}"], 8, 11),
        ("429 Slow", [f"Retry-After: {10**9}"], 3600, 3601),
        ("429 Slow", ["Retry-After: soon"], 1, 1.1),
        ("429 Slow", [], 1, 1.1),
    ],
)
async def test_who_is_asked_to_wait_says_until_when_and_asks_no_more(
    http: Http, source: Loopback, status: str, headers: list[str], least_s: float, most_s: float
) -> None:
    source.answers = always(status, b"too many", *map(dated, headers))
    with pytest.raises(Throttled, match=rf"^{source.host} asks to wait until .* UTC\. It said: too many$") as first:
        await http.get(source.url, budget=Budget(source.host, 1000))
    assert first.value.delay_s
    assert least_s <= first.value.delay_s <= most_s
    until = datetime.fromisoformat(first.value.facts["until"])
    assert abs((until - datetime.now(UTC)).total_seconds() - first.value.delay_s) < 2
    if least_s > 2:
        with pytest.raises(Throttled, match=f"^{source.host} asks to wait until"):
            await http.get(source.url, budget=Budget(source.host, 1000))
    assert len(source.asked) == 1


async def test_a_name_without_address_a_closed_port_and_silence_are_said_in_words(
    http: Http, source: Loopback, tmp_path: Path, redis_url: str
) -> None:
    with pytest.raises(SourceUnavailable, match=r"^no-such-host\.invalid cannot be reached: no address for this name"):
        await http.get("http://no-such-host.invalid/a", budget=ANY)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match=r"connection refused\. Check the network, or the proxy variables"):
            await http.get(url, budget=ANY)

    async def silence(asked: Asked, reply: Reply) -> None:
        await asyncio.sleep(60)

    source.answers = silence
    async with client(tmp_path, redis_url, stall_s=0.2) as hasty:
        with pytest.raises(SourceUnavailable, match=f"The transfer from {source.host} stalled before it answered"):
            await hasty.get(source.url, budget=ANY)


async def test_a_host_that_takes_no_connection_is_said_within_seconds(http: Http) -> None:
    """A firewall that drops what it does not like looks like this: not a word comes back."""
    with ExitStack() as open_sockets:
        full = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):  # so many wait in the queue of a server that accepts none; the next gets no answer
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"cannot be reached: no connection within 5 s\. Check the network"):
            await http.get(f"http://127.0.0.1:{full.getsockname()[1]}/a", budget=ANY)
        assert time.monotonic() - began < 10


async def test_a_connection_that_ends_without_an_answer_is_asked_again_only_if_it_was_an_old_one(
    http: Http, source: Loopback
) -> None:
    async def nothing(asked: Asked, reply: Reply) -> None:
        reply.cut()

    source.answers = nothing
    with pytest.raises(SourceUnavailable, match=f"{source.host} broke off before it answered"):
        await http.get(source.url, budget=ANY)
    assert len(source.asked) == 1
    source.answers = in_turn(echo, nothing, echo)
    for _ in range(2):
        assert (await http.get(source.url, budget=ANY)).status == 200
    assert len(source.asked) == 4


def subject_hash(certificate: Path) -> str:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("kind", ["SSL_CERT_FILE", pytest.param("SSL_CERT_DIR", marks=pytest.mark.debian("openssl"))])
async def test_a_private_authority_is_trusted_by_the_usual_variables(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, http: Http, kind: str
) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    if kind == "SSL_CERT_DIR":  # a folder of certificates by their hashes, as c_rehash makes it
        authority.cert_pem.write_to_path(tmp_path / f"{subject_hash(certificate)}.0")
    async with loopback(server) as source:
        source.answers = in_turn(echo, redirects("http://127.0.0.1/"))
        with pytest.raises(SourceUnavailable, match=r"cannot be trusted: .*name the authority's file in SSL_CERT_FILE"):
            await http.get(source.url, budget=ANY)
        monkeypatch.setenv(kind, str(certificate if kind == "SSL_CERT_FILE" else tmp_path))
        async with client(tmp_path, redis_url) as trusting:
            assert (await trusting.get(f"{source.url}/tls", budget=ANY)).body == b"GET /tls"
            with pytest.raises(SourceRefused, match="from https to http, which is not safe"):
                await trusting.get(source.url, budget=ANY)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SSL_CERT_FILE", "/none", "SSL_CERT_FILE"),
        ("HTTPS_PROXY", "socks5://user:s3cret@a", "A proxy variable"),
        ("HTTPS_PROXY", "gopher://user:s3cret@a", "A proxy variable"),
        ("ALL_PROXY", "http://s3cret:port", "A proxy variable"),
    ],
)
async def test_a_wrong_variable_stops_the_start(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CannotStart, match=said) as refused:
        await client(tmp_path, redis_url).__aenter__()
    assert "s3cret" not in refused.value.detail


@pytest.mark.parametrize("excepted", [False, True])
async def test_the_proxy_of_the_environment_is_used_but_for_what_it_excepts(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, source: Loopback, excepted: bool
) -> None:
    source.answers = echo
    async with loopback() as proxy:
        proxy.answers = in_turn(always("200 OK", b"by proxy"), always("407 No"), always("502 Bad"))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1" if excepted else "")
        async with client(tmp_path, redis_url) as http:
            answer = await http.get(f"{source.url}/a", budget=ANY)
            assert answer.body == (b"GET /a" if excepted else b"by proxy")
            if not excepted:
                with pytest.raises(SourceUnavailable, match="the proxy asks for a name and a password"):
                    await http.get(f"{source.url}/a", budget=ANY)
                with pytest.raises(SourceUnavailable, match="cannot answer now"):
                    await http.get(f"{source.url}/a", budget=ANY)
    assert [asked.target for asked in proxy.asked] == ([] if excepted else [f"{source.url}/a"] * 3)


async def test_https_goes_through_a_tunnel_of_the_proxy_and_takes_one_turn_of_the_budget(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with loopback(server) as source, loopback() as proxy:

        async def through(asked: Asked, reply: Reply) -> None:
            await reply.head("200 Connected")
            await reply.tunnel(source.port)

        source.answers, proxy.answers = echo, in_turn(through, always("403 No way"))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with client(tmp_path, redis_url) as http, open_redis(redis_url) as redis:
            answer = await http.get(f"{source.url}/a", budget=Budget("host", 9))
            assert answer.body == b"GET /a"
            assert await redis.llen("arqsvc:budget:{host}:starts") == 1  # type: ignore[misc]
            with pytest.raises(SourceUnavailable, match="cannot be reached: the proxy says '403 No way'"):
                await http.get("https://example.invalid/a", budget=ANY)
        assert [(asked.method, asked.target) for asked in proxy.asked] == [
            ("CONNECT", source.host),
            ("CONNECT", "example.invalid:443"),
        ]


async def test_every_hop_and_every_go_takes_a_turn(
    http: Http, source: Loopback, tmp_path: Path, redis_url: str
) -> None:
    async def cut(asked: Asked, reply: Reply) -> None:
        await reply.head("200 OK", "Content-Length: 10000", 'ETag: "one"')
        await reply.send(bytes(5000))
        reply.cut()

    rest = always("206 Part", bytes(5000), "Content-Range: bytes 5000-9999/10000")
    source.answers = in_turn(redirects("/b"), cut, redirects("/c"), rest, echo)
    await http.download(source.url, tmp_path / "file", budget=Budget("host", 100))
    await http.get(source.url, budget=Budget("host", 100))
    async with open_redis(redis_url) as redis:
        assert await redis.llen("arqsvc:budget:{host}:starts") == len(source.asked) == 5  # type: ignore[misc]
