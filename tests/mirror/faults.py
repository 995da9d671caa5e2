"""What can go wrong, each by a name: a fault sees the request first and decides what becomes of the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from io import BytesIO
from itertools import count
from time import time
from typing import Any, Literal
from zipfile import ZipFile

from tests.mirror import eutils
from tests.mirror.datasets import SUMS, packed
from tests.mirror.server import Answer, Request, Respond, html_answer

MOVED = "/moved"
"""What is asked for below this is answered as without it."""

JUNK_ZIP_BYTES = 2700
OTHER_BASE = bytes.maketrans(b"acgtACGT", b"cgtaCGTA")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong."""

    name: str
    meet: Callable[[Request, Respond], Awaitable[Answer]]
    """What comes instead of the good answer, which `Respond` gives."""


def status(code: int, retry_after_s: int | None = None, *, as_date: bool = False) -> Fault:
    """Refuse: 404, 429, 500, 503, ... with Retry-After in seconds or as a date, or without."""

    async def meet(request: Request, respond: Respond) -> Answer:
        answer = eutils.over_limit(4, 3, None) if code == 429 else html_answer(code, f"{code} Error", "<p>Sorry.</p>")
        if retry_after_s is None:
            return answer
        after = formatdate(time() + retry_after_s, usegmt=True) if as_date else str(retry_after_s)
        return replace(answer, headers={**answer.headers, "Retry-After": after})

    return Fault(f"status_{code}", meet)


def error_body(form: Literal["text", "json", "xml"] = "text") -> Fault:
    """Say 200 with an error of the E-utilities inside: that of efetch, of the rate limit, or in XML."""
    bodies = {
        "text": eutils.refusal("Failed to understand id: NC_000932.1"),
        "json": eutils.over_limit(4, 3, None),
        "xml": eutils.xml_error("eFetchResult", "Unable to obtain query #1"),
    }
    return _instead("error_body", replace(bodies[form], status=200))


def maintenance() -> Fault:
    """Say 200 with a page about maintenance."""
    text = "<p>This site is down for maintenance. Please come back later.</p>"
    return _instead("maintenance", html_answer(200, "NCBI - Site maintenance", text))


def asn1() -> Fault:
    """Give ASN.1, as after a parameter that was not understood."""
    text = eutils.ASN1 % ("NC_000932", 1, "Arabidopsis thaliana chloroplast, complete genome", 154478)
    return _instead("asn1", Answer(200, text.encode(), {"Content-Type": "text/plain"}, chunked=True))


def empty() -> Fault:
    """Say 200 and nothing more."""
    return _changed("empty", lambda answer: replace(answer, body=b""))


def redirect() -> Fault:
    """Send the client to another address, where the answer is."""

    async def meet(request: Request, respond: Respond) -> Answer:
        return Answer(302, b"", {"Location": MOVED + request.target})

    return Fault("redirect", meet)


def redirect_loop() -> Fault:
    """Send the client to where it is; for ever, if it is planned so."""

    async def meet(request: Request, respond: Respond) -> Answer:
        return Answer(302, b"", {"Location": request.target})

    return Fault("redirect_loop", meet)


def other_record(accession: str) -> Fault:
    """Give another record than was asked for, by efetch or by Datasets."""

    async def meet(request: Request, respond: Respond) -> Answer:
        path = request.path.rsplit("/", 2)
        other = request.path if "id" in request.query else "/".join([path[0], accession, path[-1]])
        return await respond(replace(request, path=other, query={**request.query, "id": accession}))

    return Fault("other_record", meet)


def stall(at: float = 0.6) -> Fault:
    """Stop sending and keep the connection, until the client leaves; `at` is bytes (int) or a share (float)."""
    return _changed("stall", lambda answer: replace(answer, stall_at=at))


def hold(at: float = 0.5) -> Fault:
    """Wait there until the test releases it."""
    return _changed("hold", lambda answer: replace(answer, hold_at=at))


def drip(bytes_per_s: float) -> Fault:
    """Send slowly."""
    return _changed("drip", lambda answer: replace(answer, bytes_per_s=bytes_per_s))


def cut(at: float = 0.6) -> Fault:
    """Close the connection in mid-body."""
    return _changed("cut", lambda answer: replace(answer, cut_at=at))


def truncated(at: float = 0.6) -> Fault:
    """Send a part as if it were all: the HTTP of it is in order."""
    return _changed("truncated", lambda answer: replace(answer, body=answer.body[: int(at * len(answer.body))]))


def wrong_length(excess_bytes: int) -> Fault:
    """Declare a length that is too large, or too small where negative, and close after the whole body."""
    return _changed("wrong_length", lambda answer: replace(answer, chunked=False, excess_bytes=excess_bytes))


def damaged(*, same: bool = True) -> Fault:
    """Change one base, or one byte of what is compressed: always the same, or another one each time."""
    places = count()

    def change(answer: Answer) -> Answer:
        offset = len(answer.body) * 3 // 4 + 1000 * (0 if same else next(places))
        place = next(i for i in range(offset, len(answer.body)) if answer.body[i] in b"acgtACGT")
        body = bytearray(answer.body)
        body[place] = OTHER_BASE[body[place]]
        return replace(answer, body=bytes(body))

    return _changed("damaged", change)


def no_ranges() -> Fault:
    """Give the whole where a part was asked for, and do not offer parts."""

    def change(answer: Answer) -> Answer:
        headers = {name: value for name, value in answer.headers.items() if name != "Accept-Ranges"}
        return replace(answer, ranges=False, headers=headers)

    return _changed("no_ranges", change)


def changed_etag() -> Fault:
    """Give another ETag and date each time, as if the file had been replaced."""
    times = count(1)

    def change(answer: Answer) -> Answer:
        number = next(times)
        other = {"ETag": f'"{number:x}-replaced"', "Last-Modified": formatdate(number * 86400, usegmt=True)}
        return replace(answer, headers={**answer.headers, **other})

    return _changed("changed_etag", change)


def wrong_md5() -> Fault:
    """Declare sums that fit nothing, in `md5checksums.txt` or in the `md5sum.txt` of a package."""

    def sums(text: bytes) -> bytes:
        lines = [line.split(b"  ", 1) for line in text.splitlines()]
        return b"".join(sum_[::-1] + b"  " + name + b"\n" for sum_, name in lines)

    def change(answer: Answer) -> Answer:
        if not answer.body.startswith(b"PK"):
            return replace(answer, body=sums(answer.body))
        members = _members(answer)
        return replace(answer, body=packed({**members, SUMS: sums(members[SUMS])}))

    return _changed("wrong_md5", change)


def truncated_member(at: float = 0.6, *, with_md5: bool = True) -> Fault:
    """Cut the largest file inside a zip that is in order itself; its declared sum stays, or there is none."""

    def change(answer: Answer) -> Answer:
        members = _members(answer)
        name = _largest(members)
        members[name] = members[name][: int(at * len(members[name]))]
        return replace(answer, body=packed({n: data for n, data in members.items() if with_md5 or n != SUMS}))

    return _changed("truncated_member", change)


def missing_member() -> Fault:
    """Leave the largest file out of the zip."""

    def change(answer: Answer) -> Answer:
        members = _members(answer)
        largest = _largest(members)
        return replace(answer, body=packed({name: data for name, data in members.items() if name != largest}))

    return _changed("missing_member", change)


def junk_zip() -> Fault:
    """Give the beginning of a zip, padded to 2.7 kB of nothing."""
    junk = b"PK\x03\x04".ljust(JUNK_ZIP_BYTES, b"\xff")
    return _instead("junk_zip", Answer(200, junk, {"Content-Type": "application/zip"}, chunked=True))


FAULTS: Mapping[str, Callable[..., Fault]] = {
    fault.__name__: fault
    for fault in (
        *(status, error_body, maintenance, asn1, empty, redirect, redirect_loop, other_record, stall, hold, drip, cut),
        *(truncated, wrong_length, damaged, no_ranges, changed_etag, wrong_md5, truncated_member, missing_member),
        junk_zip,
    )
}
"""By the name that `POST /_fault` takes."""


def _instead(name: str, answer: Answer) -> Fault:
    async def meet(request: Request, respond: Respond) -> Answer:
        return answer

    return Fault(name, meet)


def _changed(name: str, change: Callable[[Answer], Answer]) -> Fault:
    async def meet(request: Request, respond: Respond) -> Answer:
        # A big zip takes a while to write again.
        return await asyncio.to_thread(change, await respond(request))

    return Fault(name, meet)


def _members(answer: Answer) -> dict[str, bytes]:
    with ZipFile(BytesIO(answer.body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _largest(members: Mapping[str, bytes]) -> str:
    return max(members, key=lambda name: len(members[name]))


def planned(document: Mapping[str, Any]) -> tuple[Fault, dict[str, Any]]:
    """Return the fault that a JSON document describes, and when it is met: `path`, `times`, `seconds`.

    Raises:
        KeyError: there is no fault of this name.
        TypeError: the fault takes no such argument.
    """
    when = {name: document[name] for name in ("path", "times", "seconds") if name in document}
    arguments = {name: value for name, value in document.items() if name not in {"fault", *when}}
    return FAULTS[document["fault"]](**arguments), when
