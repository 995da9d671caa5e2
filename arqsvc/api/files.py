"""/api/v1/files: uploads, streamed; content with Range, ETag and digest; the list of files, and their deletion."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response

from arqsvc.api.bodies import id_in, query_as
from arqsvc.api.etag import IF_NONE_MATCH, known
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.records import newest
from arqsvc.api.shown import shown_file
from arqsvc.api.uploads import Upload
from arqsvc.contract import File, FilePage
from arqsvc.errors import Conflict, NotFound
from arqsvc.infra.storage import Stored
from arqsvc.jobs.content import discard
from arqsvc.jobs.files import FileRecord, file_row, find_file, wanted

NAME = r"^([^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*)?$"
"""What `check_name` asks of a name, but for its bytes; nothing stands for another name."""


UPLOADS: Mapping[str, Any] = {
    "application/octet-stream": {"type": "string", "format": "binary", "minLength": 1},
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {
                "type": "string", "format": "binary", "minLength": 1,
                "description": "The one part with a `filename`, under any name; parts without are left aside.",
            }
        },
    },
}  # fmt: skip


class Name(BaseModel):
    """The query of an upload."""

    name: str | None = Field(default=None, max_length=255, pattern=NAME, description="What to call it.")


class FileQuery(BaseModel):
    """Which files are meant."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    job: UUID | Literal["none"] | None = None
    """Those that this job made; `none` for those that were uploaded."""
    cursor: UUID | None = None
    limit: int = Field(default=50, ge=1, le=500)


class _Content(FileResponse):
    """A file, or the part of it that is asked for; a `Range` that cannot be read is left aside, as RFC 9110 has it."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable as error:
            raise HTTPException(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"the file has {file_size:,} bytes, and none in this range",
                headers={"Content-Range": f"bytes */{file_size}"},
            ) from error


CONTENT = ("ETag", "Repr-Digest", "Content-Disposition", "Accept-Ranges")
"""Headers with the content of a file."""
RANGE = {"type": "string", "description": "Which bytes are wanted, such as `bytes=0-99`: 206 with those alone."}
INLINE = ("text/html", "image/svg+xml", "application/json")
"""Media types that a browser may show; all else it saves."""


@operation(
    "files.upload", "POST", "/files", Scope.SUBMIT, {201: File}, query=Name, body=UPLOADS, errors=(413, 507),
    tells={201: ("Location",)},
)  # fmt: skip
async def upload(request: Request, caller: Caller) -> Response:
    """Store the body, whatever its `Content-Type`, or the one file of a `multipart/form-data`.

    The name comes from `?name=`, `Content-Disposition` or the form. A file has a byte at least, and at most as many as
    the operator allows (`ARQSVC_UPLOAD_LIMIT_BYTES`, 2 GiB unless set): 413 says `limit_bytes`. 507 is for a project
    that has no room left, and for a full disk.
    """
    held = of(request)
    left_bytes = await held.quotas.bytes_left(caller.project)
    sent = Upload(request, limit_bytes=held.infra.settings.upload_limit_bytes, left_bytes=left_bytes)
    stored = await held.infra.storage.put(sent)
    file = await named(sent.name, stored, caller)
    return reply(shown_file(file), 201, {"Location": f"/api/v1/files/{file.id}"})


async def named(name: str, stored: Stored, caller: Caller) -> FileRecord:
    """Make stored content a file of the caller's project."""
    row = file_row(name, stored)
    return await FileRecord.create(
        **{**row, "id": UUID(row["id"])}, project=caller.project, created_at=datetime.now(UTC)
    )


@operation(
    "files.download", "GET", "/files/{id}", Scope.READ, {200: "*/*", 206: "*/*", 304: None}, errors=(404, 416),
    headers={**IF_NONE_MATCH, "Range": RANGE},
    tells={200: CONTENT, 206: (*CONTENT, "Content-Range"), 304: ("ETag", "Repr-Digest")},
)  # fmt: skip
async def download(request: Request, caller: Caller) -> Response:
    """Return the content of a file; `Range` and `If-None-Match` are heeded."""
    file = await _find(request, caller)
    path = of(request).infra.storage.path(file.sha256)
    if not path.is_file():
        raise NotFound(f"The content of file {file.id} ({file.name}) is not in storage any more. Make it again.")
    headers = _headers(file)
    if unchanged := known(request, headers["ETag"], headers):
        return unchanged
    shown = file.media_type.startswith(INLINE)
    return _Content(
        path,
        headers=headers,
        media_type=file.media_type,
        filename=file.name,
        content_disposition_type="inline" if shown else "attachment",
    )


@operation("files.list", "GET", "/files", Scope.READ, {200: FilePage}, query=FileQuery)
async def list_files(request: Request, caller: Caller) -> Response:
    """List the project's files, the newest first: those that were uploaded, and those that jobs made."""
    asked = query_as(FileQuery, request)
    query = FileRecord.filter(project=caller.project)
    if asked.job is not None:
        query = query.filter(job_id=None if asked.job == "none" else asked.job)
    page, cursor = await newest(query, asked.cursor, asked.limit)
    return reply(FilePage(items=[shown_file(file) for file in page], next_cursor=cursor))


@operation("files.delete", "DELETE", "/files/{id}", Scope.CANCEL, {204: None}, errors=(404, 409))
async def remove(request: Request, caller: Caller) -> Response:
    """Delete a file that was uploaded. Its content is removed once nothing else names it, a day after it came.

    409 while a job that has not ended names it in its parameters, and for a file that a job made: it goes with the job.
    """
    file = await _find(request, caller)
    if job := file.job_id:  # type: ignore[attr-defined]
        raise Conflict(f"File {file.id} is a result of job {job}, and goes with it: DELETE /api/v1/jobs/{job}.")
    if await wanted([file.id], caller.project):
        raise Conflict(f"A job that has not ended reads file {file.id} ({file.name}). Wait for it, or cancel it.")
    await FileRecord.filter(id=file.id).delete()
    await discard([file.sha256], of(request).infra.storage)
    return Response(status_code=204)


async def _find(request: Request, caller: Caller) -> FileRecord:
    return await find_file(id_in(request, _no_file), caller.project)


def _no_file(connection: HTTPConnection) -> NotFound:
    return NotFound(f"There is no file {connection.path_params['id'][:60]}. GET /api/v1/files lists yours.")


def _headers(file: FileRecord) -> dict[str, str]:
    """Return headers that name the content, and keep a page that a job made from acting as ours."""
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "ETag": f'"{file.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
    }


OPERATIONS = (upload, list_files, download, remove)
