"""The file in a request's body, as it arrives: raw, or the one file of a multipart form."""

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from arqsvc.api.problems import fault
from arqsvc.errors import FilesQuota, InvalidParams, Rejected, TooLarge
from arqsvc.jobs.files import check_name
from arqsvc.jobs.quota import no_room

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

DEFAULT_NAME = "upload"
FORM_BYTES = 64 * 1024
"""What a form may hold beside its file."""
_EXTENDED_NAME = re.compile(r"""[; ]filename\*\s*=\s*(utf-8|iso-8859-1)'[^';]*'([^\s;'"]+)""", re.IGNORECASE)
"""A name of any characters in a header, percent-encoded (RFC 8187)."""


class Upload:
    """The name and the content of the file that a request sends; iterate over it once, then read `name`.

    Args:
        limit_bytes: how large a file may be.
        left_bytes: how much its project may add; None for any number.
    """

    def __init__(self, request: Request, *, limit_bytes: int, left_bytes: int | None = None) -> None:
        self._request = request
        self._limit_bytes, self._left_bytes = limit_bytes, left_bytes
        self._most_bytes = limit_bytes if left_bytes is None else min(limit_bytes, left_bytes)
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        self._boundary = options.get(b"boundary", b"") if kind == b"multipart/form-data" else None
        self.name = request.query_params.get("name") or _name_in(request.headers.get("content-disposition", ""))
        if self.name:
            check_name(self.name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content.

        Raises:
            TooLarge: it is over the limit.
            FilesQuota: it is more than its project may add.
            InvalidParams: the form is malformed, or holds no file or two; or the file is empty; or the client went
                away in the middle.
        """
        empty = True
        try:
            boundary = self._boundary
            async for chunk in self._body(self._most_bytes) if boundary is None else self._file_of_form(boundary):
                empty = empty and not chunk
                yield chunk
        except FormParserError as error:
            raise fault("", f"the multipart form is malformed: {error}") from error
        except ClientDisconnect as error:
            raise InvalidParams("The connection ended before the whole file had come. Send it again.") from error
        if empty:
            raise fault(
                "",
                "the file is empty. Send one that holds something, as the body or as the one file of a multipart form.",
            )
        self.name = self.name or DEFAULT_NAME

    async def _file_of_form(self, boundary: bytes) -> AsyncIterator[bytes]:
        if not boundary:
            raise fault("", "the form has no boundary: let the program that makes the form set its Content-Type")
        form, size = _Form(), 0
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in self._body(self._most_bytes + FORM_BYTES):
            parser.write(chunk)
            self._take_name(form)
            for part in form.taken():
                if (size := size + len(part)) > self._most_bytes:
                    raise self._too_large()
                yield part
        if not form.ended:
            raise fault("", "the form breaks off: its last boundary is not there. Send it again")
        if form.files != 1:
            raise fault("", f"the form holds {form.files} files where one is wanted")

    async def _body(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body; one that says at once that it is too large is refused at once."""
        size = 0
        if (said := self._request.headers.get("content-length", "")).isdecimal() and int(said[:20]) > limit_bytes:
            raise self._too_large()
        async for chunk in self._request.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> TooLarge | FilesQuota:
        if self._left_bytes is not None and self._left_bytes < self._limit_bytes:
            return no_room(self._left_bytes)
        return TooLarge(
            f"The file is larger than the limit of {self._limit_bytes:,} bytes. "
            "Compress it, or ask the operator to raise ARQSVC_UPLOAD_LIMIT_BYTES.",
            limit_bytes=self._limit_bytes,
        )

    def _take_name(self, form: "_Form") -> None:
        if form.name and not self.name:
            self.name = check_name(form.name)


class _Form:
    """What the multipart parser calls: it keeps the data of parts that have a file name, and that name."""

    def __init__(self) -> None:
        self.files = 0
        self.name = ""
        self.ended = False
        self._in_file = False
        self._header = bytearray()
        self._value = bytearray()
        self._data: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._part_begin,
            "on_header_begin": self._header_begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }

    def taken(self) -> list[bytes]:
        data, self._data = self._data, []
        return data

    def _part_begin(self) -> None:
        self._in_file = False

    def _header_begin(self) -> None:
        self._header.clear()
        self._value.clear()

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            if b"filename" in options:
                self._in_file, self.files = True, self.files + 1
                self.name = options[b"filename"].decode(errors="replace")

    def _end(self) -> None:
        self.ended = True

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._data.append(data[start:end])


def check_length(request: Request, limit_bytes: int, more_bytes: int) -> None:
    """Refuse a form that does not say how long it is, or is too long.

    Args:
        limit_bytes: how large its files may be together.
        more_bytes: what it may hold beside them.
    """
    said = request.headers.get("content-length", "")
    if not said.isdecimal():
        raise Rejected("A form needs a Content-Length.")
    if int(said[:20]) > limit_bytes + more_bytes:
        raise TooLarge(f"The form is larger than the limit of {limit_bytes:,} bytes.", limit_bytes=limit_bytes)


def _name_in(disposition: str) -> str:
    """Return the file name of a `Content-Disposition` header, or nothing (RFC 6266)."""
    if extended := _EXTENDED_NAME.search(disposition):
        return unquote(extended[2], encoding=extended[1])
    _, options = parse_options_header(disposition)
    return options.get(b"filename", b"").decode(errors="replace")
