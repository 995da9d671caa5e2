"""A stored file onto a disk: beside its place first, checked, and taken up where a connection broke."""

import asyncio
import base64
import hashlib
import re
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from arqsvc.client.answers import ApiError, NotNow, Patience, StreamFault, check, unreachable


class Part:
    """What has come of a file, in a file beside its place."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._path = to.with_name(f".{uuid4().hex}.part")
        self._file = self._path.open("xb")
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.tag: str | None = None
        """The ETag of what it is a part of; None where it cannot be gone on with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def begin(self, tag: str | None) -> None:
        """Forget what has come: the whole comes anew."""
        self._file.seek(0)
        self._file.truncate()
        self._hash, self.size_bytes = hashlib.sha256(), 0
        self.tag = None if tag is None or tag.startswith("W/") else tag

    def append(self, chunk: bytes) -> None:
        """Add what comes next."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size_bytes += len(chunk)

    def place(self, digest: bytes | None) -> None:
        """Move the file to its place.

        Args:
            digest: its SHA-256, as the service says; None where it does not.

        Raises:
            ApiError: it has another.
        """
        self._file.close()
        if digest is not None and self._hash.digest() != digest:
            came, told = self._hash.hexdigest(), digest.hex()
            raise ApiError(f"{self._to.name} came with the SHA-256 {came}, not {told}. Download it again.")
        self._path.replace(self._to)


async def fetch(http: httpx.AsyncClient, path: str, to: Path) -> None:
    """Write a stored file to a path, once all of it is there and has the SHA-256 that `Repr-Digest` says.

    Raises:
        ApiError: the API refused, or what came is not what it said.
        Unreachable: it has not answered for a minute.
    """
    patience = Patience(takes_turns=True)
    with Part(to) as part:
        while True:
            try:
                digest = await _more(http, path, part, patience)
                return await asyncio.to_thread(part.place, digest)
            except NotNow as error:
                await patience.after(error)
            except (httpx.TransportError, StreamFault) as error:
                await patience.after(unreachable(str(http.base_url), error))


async def _more(http: httpx.AsyncClient, path: str, part: Part, patience: Patience) -> bytes | None:
    """Append what is missing; returns the digest that the whole must have."""
    headers = {"Accept-Encoding": "identity"}
    if part.size_bytes and part.tag:
        headers |= {"Range": f"bytes={part.size_bytes}-", "If-Range": part.tag}
    async with http.stream("GET", path, headers=headers) as answer:
        await check(answer)
        if answer.status_code != 206:
            part.begin(answer.headers.get("ETag"))
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {part.size_bytes}-"):
            part.tag = None
            raise StreamFault(f"{path} goes on at {answer.headers.get('Content-Range')!r}")
        async for chunk in answer.aiter_bytes():  # as it comes: what is gathered first is lost where it breaks
            patience.heard()
            await asyncio.to_thread(part.append, chunk)
        told = re.search(r"sha-256=:([A-Za-z0-9+/]+=*):", answer.headers.get("Repr-Digest", ""))
        return base64.b64decode(told[1]) if told else None
