"""The one HTTP client: every request in the budget of its host, small answers whole, files streamed to disk."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from arqsvc import __version__
from arqsvc.errors import CannotStart, SourceRefused, SourceUnavailable, Throttled
from arqsvc.infra.body import Body, hide, plain, said
from arqsvc.infra.budget import Budget, Budgets
from arqsvc.infra.counts import Counts, Metric
from arqsvc.infra.http_errors import (
    BROKEN,
    CONNECT_S,
    asked_to_wait,
    http_errors,
    is_bad_redirect,
    refusal,
    retry_after_s,
)
from arqsvc.infra.partial import Partial, open_partial
from arqsvc.infra.redis import ArqRedis
from arqsvc.infra.transfer import Check, Fetched, OnBytes, ask_for_rest, fits, receive
from arqsvc.settings import Settings

REDIRECTS = 5
GOES = 5
"""How often one call takes up a transfer that breaks off, as long as each go brings something."""
LIMIT_BYTES = 16 * 2**20

REQUESTS = Metric(
    "arqsvc_source_requests", "Requests to outside services, by the status of the answer.", ("host", "status")
)
BYTES = Metric("arqsvc_source_bytes", "Bytes that outside services sent, as they crossed the network.", ("host",))

Values = Mapping[str, str | SecretStr]

__all__ = ["Answer", "Check", "Fetched", "Http", "OnBytes", "Values", "open_http"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A small answer, whole."""

    status: int
    headers: Mapping[str, str]
    """Their names are found in any case."""
    body: bytes
    url: str
    """Where it came from in the end, without the query."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a caller asks for."""

    url: httpx.URL
    headers: Mapping[str, str]
    budget: Budget
    secrets: tuple[str, ...] = field(repr=False)


class _Turn:
    """Takes a turn of the budget at the last moment: once connected, right before the request is written.

    From then on the time runs: all that comes before the body must have come after `stall_s`, however it drips.
    """

    def __init__(self, budgets: Budgets, budget: Budget, deadline: asyncio.Timeout, stall_s: float) -> None:
        self._budgets, self._budget, self._deadline, self._stall_s = budgets, budget, deadline, stall_s
        self.connected = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.connected = True
        elif event == "http11.send_request_headers.started":
            if info["request"].method != b"CONNECT":
                self._deadline.reschedule(None)
                await self._budgets.slot(self._budget)
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._stall_s)


class Http:
    """The client of one process; `open_http` makes it."""

    def __init__(self, client: httpx.AsyncClient, budgets: Budgets, stall_s: float, counts: Counts) -> None:
        self.budgets = budgets
        self._client, self._stall_s, self._counts = client, stall_s, counts

    async def get(
        self,
        url: str,
        *,
        budget: Budget,
        params: Values | None = None,
        headers: Values | None = None,
        limit_bytes: int = LIMIT_BYTES,
    ) -> Answer:
        """Return a small answer, whole; its status is a 2xx.

        Args:
            url: what to ask.
            budget: of the host; redirects use it too.
            params: the query. What is a SecretStr is hidden in what the source says about it.
            headers: more headers; they go to no other host.
            limit_bytes: largest body.

        Raises:
            Throttled: the host, or our budget for it, asks to wait.
            SourceUnavailable: it cannot be reached, does not answer, or cannot now.
            SourceRefused: it says no, or sends more than the limit.
        """
        asked = _asked(url, budget, params, headers)
        async with self._answer(asked, {}) as response:
            body = Body(response, self._stall_s)
            text = await body.head(limit_bytes + 1)
            if len(text) > limit_bytes:
                raise SourceRefused(
                    f"{_host(response.url)} sends more than the {limit_bytes:,} bytes that such an answer may have.",
                    host=_host(response.url),
                )
            return Answer(response.status_code, response.headers, text, plain(response.url))

    async def download(
        self,
        url: str,
        partial: Path,
        *,
        budget: Budget,
        params: Values | None = None,
        headers: Values | None = None,
        check: Check | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Fetched:
        """Stream a body to disk, hashing on the way; goes on with what lies in `partial` where the source can.

        What breaks off or stalls is taken up again at once as long as each go brings more. A failure that may pass
        leaves what came in `partial`, with a note beside it, where the source can continue it; one for good leaves
        nothing. The whole file has a name of its own, `Fetched.path`, in the folder of `partial`.

        Args:
            url: what to ask.
            partial: where it grows; whoever finds it in use by another works in a file of its own.
            budget: of the host; redirects use it too.
            params: the query, as for `get`.
            headers: more headers, as for `get`.
            check: is given the first up to 4,096 bytes of a body and its content type before anything is kept of it;
                what it raises ends the download, and Throttled lets the whole fleet pause.
            on_bytes: is told the bytes so far, and of how many if that is known.

        Raises:
            Throttled, SourceUnavailable, SourceRefused: as for `get`; what came is not what was declared.
            OutOfSpace: the disk is full, or has less room than the source declares.
        """
        asked = _asked(url, budget, params, headers)
        async with open_partial(partial, plain(asked.url)) as part:
            for go in range(1, GOES + 1):
                before = part.size_bytes
                try:
                    if fetched := await self._go(asked, part, check, on_bytes):
                        return fetched
                except SourceUnavailable:
                    if go == GOES or not part.note or part.size_bytes <= before:
                        raise
            raise SourceUnavailable(f"{_host(asked.url)} does not send the rest of the file, nor the whole of it.")

    async def _go(self, asked: _Asked, part: Partial, check: Check | None, on_bytes: OnBytes | None) -> Fetched | None:
        """Ask once for the rest, or for all; returns None if the rest cannot be had and all must be asked for."""
        own = ask_for_rest(part)
        async with self._answer(asked, own) as response:
            if not own and response.status_code == 206:
                raise SourceUnavailable(f"{_host(response.url)} sends a part of the file, which was not asked for.")
            if own and not fits(response, part):
                part.note = None
                return None
            try:
                return await receive(response, part, plain(asked.url), self._stall_s, check, on_bytes)
            except Throttled as error:
                raise await self.budgets.throttled(asked.budget, error.delay_s, said=error.detail) from error

    @asynccontextmanager
    async def _answer(self, asked: _Asked, own: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Ask, through redirects; the answer is a 2xx, or a 416 where a range was asked for, with its body to come."""
        url = asked.url
        for _ in range(REDIRECTS + 1):
            is_origin = (url.scheme, url.netloc) == (asked.url.scheme, asked.url.netloc)
            response = await self._send(url, {**(asked.headers if is_origin else {}), **own}, asked.budget)
            try:
                if response.has_redirect_location:
                    url = _next(response)
                    continue
                if not (response.is_success or (response.status_code == 416 and own)):
                    await self._refuse(response, asked)
                await self.budgets.answered(asked.budget)
                yield response
                return
            finally:
                await response.aclose()
                self._counts.add(BYTES, (_host(response.url),), response.num_bytes_downloaded)
        raise SourceRefused(
            f"{_host(asked.url)} sends us from one address to the next: after {REDIRECTS} redirects again, "
            f"to {hide(plain(url), asked.secrets)}.",
            host=_host(asked.url),
        )

    async def _send(self, url: httpx.URL, headers: Mapping[str, str], budget: Budget) -> httpx.Response:
        await self.budgets.look(budget)
        while True:
            deadline = asyncio.timeout(None)
            turn = _Turn(self.budgets, budget, deadline, self._stall_s)
            request = self._client.build_request("GET", url, headers=headers, extensions={"trace": turn})
            with http_errors(_host(url), lambda: "before it answered"):
                try:
                    async with deadline:
                        response = await self._client.send(request, stream=True)
                        self._counts.add(REQUESTS, (_host(url), str(response.status_code)))
                        return response
                except BROKEN as error:
                    if turn.connected or is_bad_redirect(error):
                        raise
                    # a connection from before, which the server has closed meanwhile: there are only so many

    async def _refuse(self, response: httpx.Response, asked: _Asked) -> None:
        host, words = _host(response.url), await said(response, asked.secrets)
        if asked_to_wait(response):
            wait_s = retry_after_s(response.headers)
            raise await self.budgets.throttled(asked.budget, wait_s, status=response.status_code, said=words)
        raise refusal(host, response.status_code, words)


@asynccontextmanager
async def open_http(settings: Settings, redis: ArqRedis, counts: Counts | None = None) -> AsyncIterator[Http]:
    """Open the client of this process; proxies and private certificates come from the usual variables.

    `counts` is where it counts what it asks and gets.

    Raises:
        CannotStart: such a variable is wrong; says which.
    """
    async with await make_client(settings) as client:
        counts = counts or Counts()
        yield Http(client, Budgets(redis, counts), settings.stall_s, counts)


async def make_client(settings: Settings) -> httpx.AsyncClient:
    """Return a client as the usual variables want it.

    Raises:
        CannotStart: such a variable is wrong; says which.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it logs URLs, with the keys in them
    try:
        tls = await asyncio.to_thread(httpx.create_ssl_context)
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(
            f"The certificates cannot be read: {error}. Correct SSL_CERT_FILE or SSL_CERT_DIR, or unset it."
        ) from error
    try:
        return httpx.AsyncClient(
            verify=tls,
            headers={"User-Agent": f"arqsvc/{__version__}", "Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none: no request knows of another
            timeout=httpx.Timeout(settings.stall_s, connect=CONNECT_S, pool=settings.stall_s),
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:  # its message may hold a password
        raise CannotStart(
            "A proxy variable (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) holds no URL of an http or https proxy."
        ) from error


def _asked(url: str, budget: Budget, params: Values | None, headers: Values | None) -> _Asked:
    given = [*(params or {}).values(), *(headers or {}).values()]
    return _Asked(
        httpx.URL(url).copy_merge_params(_open(params)),
        _open(headers),
        budget,
        tuple(value.get_secret_value() for value in given if isinstance(value, SecretStr)),
    )


def _open(values: Values | None) -> dict[str, str]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in (values or {}).items()
    }


def _host(url: httpx.URL) -> str:
    return url.netloc.decode()


def _next(response: httpx.Response) -> httpx.URL:
    """Return where a redirect leads: nowhere that only we can reach, or that anybody could pretend to be."""
    assert response.next_request
    here, url = response.url, response.next_request.url
    if url.scheme not in {"http", "https"}:
        wrong = "to an address that is neither http nor https"
    elif here.scheme == "https" and url.scheme == "http":
        wrong = "from https to http, which is not safe"
    elif _is_public(here) and not _is_public(url):
        wrong = "to an address that is not public"
    elif _is_public(here) and url.scheme == "http" and url.host != here.host:
        wrong = "to another host by http, which is not safe"
    else:
        return url
    raise SourceRefused(f"{_host(here)} sends us {wrong}.", host=_host(here))


def _is_public(url: httpx.URL) -> bool:
    """Return whether the host is one for all the world, as far as its address tells; a name is taken for one."""
    try:
        return ip_address(url.host).is_global
    except ValueError:
        return True
