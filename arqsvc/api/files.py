"""POST /api/v1/files: streamed uploads; GET /api/v1/files/{id}: content with Range, ETag and digest."""

import base64
from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from arqsvc.api.jobs import file_as_json
from arqsvc.api.keys import authenticate
from arqsvc.api.uploads import Upload
from arqsvc.errors import NotFound
from arqsvc.infra import Infra
from arqsvc.jobs.files import FileRecord, file_row, find_file

INLINE = ("text/html", "image/svg+xml", "application/json")
"""Media types that a browser may show; all else it saves."""


async def upload(request: Request) -> Response:
    """POST /files: store the body, or the one file of a multipart form; 201 and the file.

    The name comes from `?name=`, `Content-Disposition` or the form.
    """
    caller = await authenticate(request)
    infra: Infra = request.app.state.infra
    sent = Upload(request, limit_bytes=infra.settings.upload_limit_bytes)
    stored = await infra.storage.put(sent)
    row = file_row(sent.name, stored)
    file = await FileRecord.create(
        **{**row, "id": UUID(row["id"])}, project=caller.project, created_at=datetime.now(UTC)
    )
    return JSONResponse(file_as_json(file), 201, headers={"Location": f"/api/v1/files/{file.id}"})


async def download(request: Request) -> Response:
    """GET /files/{id}: the content; `Range` and `If-None-Match` are heeded."""
    caller = await authenticate(request)
    try:
        file = await find_file(UUID(request.path_params["id"]), caller.project)
    except ValueError as error:
        raise NotFound(f"There is no file {request.path_params['id'][:60]}.") from error
    infra: Infra = request.app.state.infra
    path = infra.storage.path(file.sha256)
    if not path.is_file():
        raise NotFound(f"The content of file {file.id} ({file.name}) is not in storage any more. Make it again.")
    headers = _headers(file)
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {headers["ETag"], "*"}:
        return Response(status_code=304, headers=headers)
    shown = file.media_type.startswith(INLINE)
    return FileResponse(
        path,
        headers=headers,
        media_type=file.media_type,
        filename=file.name,
        content_disposition_type="inline" if shown else "attachment",
    )


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
