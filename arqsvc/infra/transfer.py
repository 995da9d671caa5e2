"""The way of one file from an answer to the disk: all of it, or the rest of what is there."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from arqsvc.errors import SourceUnavailable
from arqsvc.infra.body import Body, is_encoded, plain
from arqsvc.infra.partial import Note, Partial
from arqsvc.infra.storage import disk_errors, reserve_bytes

HEAD_BYTES = 4096
LOOK_BYTES = 64 * 2**20
"""After how much of a file of unknown length the disk is looked at again."""

Check = Callable[[bytes, str], None]
"""Is given the first up to 4,096 bytes of a body and its content type; raises what ends the download."""
OnBytes = Callable[[int, int | None], Awaitable[None]]
"""Is told the bytes so far, and of how many if that is known."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that came whole; it is the caller's, to move or to remove."""

    path: Path
    size_bytes: int
    sha256: str
    md5: str
    transferred_bytes: int
    """Bytes of bodies that crossed the network for it in this call."""
    url: str
    """Where it came from in the end, without the query."""
    declared_bytes: int | None
    etag: str | None
    last_modified: str | None


def ask_for_rest(part: Partial) -> dict[str, str]:
    """Return the headers that ask for what is still missing, if it is still the same file; none to ask for all."""
    if not (part.note and part.size_bytes):
        return {}
    return {"Range": f"bytes={part.size_bytes}-", "If-Range": part.note.validator}


def fits(response: httpx.Response, part: Partial) -> bool:
    """Return whether an answer to a request for the rest can be used: it is that rest, or the whole anew."""
    if response.status_code not in {206, 416}:
        return True
    if part.note is None or is_encoded(response) or not (said := _content_range(response)):
        return False
    known = {"ETag": part.note.etag, "Last-Modified": part.note.last_modified}
    if any(value and response.headers.get(name, value) != value for name, value in known.items()):
        return False  # not every source heeds If-Range
    start, total = said
    if response.status_code == 416:  # nothing is missing
        return total == part.size_bytes and part.note.size_bytes in {None, total}
    return start == part.size_bytes and (None in {total, part.note.size_bytes} or total == part.note.size_bytes)


async def receive(
    response: httpx.Response,
    part: Partial,
    url: str,
    stall_s: float,
    check: Check | None,
    on_bytes: OnBytes | None,
) -> Fetched:
    """Write an answer's body into the file, and return it whole.

    Args:
        response: all of the file, or the rest of it; its body is yet to come.
        part: the file; it begins anew unless this is the rest.
        url: where it was asked for, without the query.
        stall_s: how long it may stand still.
        check: may refuse what begins anew, before that takes the place of what was there.
        on_bytes: is told how far it has come.

    Raises:
        SourceUnavailable: it broke off, stalled, or is not as long as declared.
        OutOfSpace: the disk is full, or has less room than is declared.
    """
    if response.status_code == 416:
        return _fetched(response, part, part.size_bytes)
    is_rest = response.status_code == 206
    body = Body(response, stall_s, part.size_bytes if is_rest else 0)
    try:
        if is_rest:
            assert part.note
            _, total = _content_range(response) or (None, None)
            total = total or part.note.size_bytes
            piece = await body.read()
        else:
            total = None if body.is_encoded else body.declared_bytes
            piece = await body.head(HEAD_BYTES)
            if check:
                check(piece[:HEAD_BYTES], response.headers.get("Content-Type", ""))
            with disk_errors(part.path.parent):
                await part.begin(None if body.is_encoded else Note.of(url, response.headers, total))
        if total is not None:
            part.need(total - part.size_bytes)
        while piece:
            if total is not None and part.size_bytes + len(piece) > total:
                part.note = None  # nothing of it can be trusted
                raise _wrong_length(response, total, f"at least {part.size_bytes + len(piece):,}")
            with disk_errors(part.path.parent):
                part.write(piece)
            if total is None and part.size_bytes % LOOK_BYTES < len(piece):
                part.need(reserve_bytes(part.path.parent))
            if on_bytes:
                await on_bytes(part.size_bytes, total)
            piece = await body.read()
        if total is not None and part.size_bytes != total:
            raise _wrong_length(response, total, f"{part.size_bytes:,}")
    finally:
        part.received_bytes += body.received_bytes
    return _fetched(response, part, total)


def _fetched(response: httpx.Response, part: Partial, total: int | None) -> Fetched:
    (sha256, md5), note = part.digests, part.note
    return Fetched(
        path=part.keep(),
        size_bytes=part.size_bytes,
        sha256=sha256,
        md5=md5,
        transferred_bytes=part.received_bytes,
        url=plain(response.url),
        declared_bytes=total,
        etag=response.headers.get("ETag") or (note.etag if note else None),
        last_modified=response.headers.get("Last-Modified") or (note.last_modified if note else None),
    )


def _content_range(response: httpx.Response) -> tuple[int | None, int | None] | None:
    """Return where a part begins and of how many bytes it is a part; None if that is not said."""
    said = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not said:
        return None
    return int(said[1]) if said[1] else None, int(said[2]) if said[2] != "*" else None


def _wrong_length(response: httpx.Response, total: int, came: str) -> SourceUnavailable:
    host = response.url.netloc.decode()
    return SourceUnavailable(f"{host} declares {total:,} bytes and sends {came}.", host=host, declared_bytes=total)
