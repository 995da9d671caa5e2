"""The body of one answer, as it comes: under a watch for stalls, and decoded where it was sent encoded."""

import asyncio
import re
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote, quote_plus

import httpx

from arqsvc.errors import SourceUnavailable
from arqsvc.infra.http_errors import http_errors, stalled
from arqsvc.infra.storage import CHUNK_BYTES

LEAST_BYTES_PER_S = 1024
"""What is slower than this, for as long as a transfer may stand still, counts as standing still."""
SAID_BYTES = 4096
SAID_CHARACTERS = 200
SAID_S = 5.0
"""How much of an error page is read, and told, and how long it may take."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_JSON_ERROR = tuple(
    re.compile(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.)*)"') for name in ("message", "error", "detail", "title")
)
"""Where an error stands, the best place first; beside it may stand what is nobody's business, as our own address."""
_GZIP = {"gzip", "x-gzip"}
_GZIP_WINDOW = 31
"""zlib's word for "with the header and checksum of gzip"."""


class Body:
    """What is read of an answer.

    Args:
        response: with its body yet to come.
        stall_s: how long it may stand still.
        start_bytes: where in the whole file it begins.
    """

    def __init__(self, response: httpx.Response, stall_s: float, start_bytes: int = 0) -> None:
        self.received_bytes = 0
        """What has crossed the network."""
        self.is_encoded = is_encoded(response)
        self.declared_bytes = _declared(response)
        """What the answer says that will cross the network."""
        self._host, self._stall_s, self._start = response.url.netloc.decode(), stall_s, start_bytes
        self._pieces = response.aiter_raw()
        self._since, self._before = time.monotonic(), 0
        self._gzip = zlib.decompressobj(_GZIP_WINDOW)
        self._undecoded = b""

    async def read(self) -> bytes:
        """Return what comes next, at most some 256 KiB; nothing at the end.

        Raises:
            SourceUnavailable: it stalled, or broke off.
        """
        with http_errors(self._host, self.where):
            return await (self._decoded() if self.is_encoded else self._raw())

    async def head(self, size_bytes: int) -> bytes:
        """Return the first so many bytes, or what there is, and perhaps some more."""
        head = bytearray()
        while len(head) < size_bytes and (piece := await self.read()):
            head += piece
        return bytes(head)

    def where(self) -> str:
        """Return how far it has come, in words."""
        of = "" if self.declared_bytes is None else f" of {self._start + self.declared_bytes:,}"
        return f"after {self._start + self.received_bytes:,}{of} bytes"

    async def _raw(self) -> bytes:
        async with asyncio.timeout(self._stall_s):  # what drips around the bytes is no piece, and no silence either
            piece = await anext(self._pieces, b"")
        self.received_bytes += len(piece)
        now = time.monotonic()
        if piece and (passed_s := now - self._since) >= self._stall_s:
            if self.received_bytes - self._before < LEAST_BYTES_PER_S * passed_s:
                raise stalled(self._host, self.where())
            self._since, self._before = now, self.received_bytes
        return piece

    async def _decoded(self) -> bytes:
        """Return the next of the text; a little that stands for much is expanded piece by piece."""
        await asyncio.sleep(0)
        while True:
            try:
                text = self._gzip.decompress(self._undecoded, CHUNK_BYTES)
            except zlib.error as error:
                raise SourceUnavailable(f"What {self._host} sends as gzip is broken {self.where()}.") from error
            self._undecoded = self._gzip.unconsumed_tail
            if self._gzip.eof and self._gzip.unused_data:  # one gzip after another is one text
                self._undecoded = self._gzip.unused_data
                self._gzip = zlib.decompressobj(_GZIP_WINDOW)
            if text:
                return text
            if not self._undecoded:
                self._undecoded = await self._raw()
                if not self._undecoded and self.received_bytes and not self._gzip.eof:
                    raise SourceUnavailable(f"The transfer from {self._host} broke off {self.where()}.")
                if not self._undecoded:
                    return b""


def is_encoded(response: httpx.Response) -> bool:
    """Return whether the body is the gzip of a text that we want.

    Raises:
        SourceUnavailable: it is encoded in a way that we did not ask for and cannot undo.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return False
    if encoding not in _GZIP:
        host = response.url.netloc.decode()
        raise SourceUnavailable(f"{host} sends the encoding {encoding[:40]!r}, which was not asked for.", host=host)
    # some servers declare the compression of a file that is a gzip itself: that one is wanted as it lies there
    return not response.url.path.endswith((".gz", ".tgz"))


def _declared(response: httpx.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in response.headers
    return int(value) if value.isascii() and value.isdecimal() and not chunked else None


async def said(response: httpx.Response, secrets: tuple[str, ...]) -> str:
    """Return the beginning of what an error page says: of HTML its title, of JSON its message, and no secret."""
    kind = response.headers.get("Content-Type", "text/plain").lower()
    if not re.search("text|json|xml|html", kind):
        return ""
    page = b""
    with suppress(TimeoutError, SourceUnavailable):
        async with asyncio.timeout(SAID_S):
            page = await Body(response, SAID_S).head(SAID_BYTES)
    text = page[:SAID_BYTES].decode(errors="replace")
    if "<html" in text.lower():
        text = _first(text, _TITLE)
    elif text.lstrip().startswith("{"):
        text = _first(text, *_JSON_ERROR)
    text = "".join(letter for letter in text if letter.isprintable() or letter.isspace())
    return " ".join(hide(text, secrets).split())[:SAID_CHARACTERS]


def _first(text: str, *places: re.Pattern[str]) -> str:
    return next((found[1] for place in places if (found := place.search(text))), "")


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets, as they are or quoted for a URL.

    >>> hide("no key K/1 of ME@a.org: ?api_key=k%2f1&email=me%40a.org", ["k/1", "me@a.org"])
    'no key (hidden) of (hidden): ?api_key=(hidden)&email=(hidden)'
    """
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "(hidden)", text, flags=re.IGNORECASE)


def plain(url: httpx.URL) -> str:
    """Return a URL without what may be secret."""
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))
