"""Stored files: their rows, and how a path becomes one. Content lies once, by SHA-256, in `infra/storage.py`."""

import mimetypes
import re
from collections.abc import Collection
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model
from uuid6 import uuid7

from arqsvc.errors import InvalidParams, NotFound
from arqsvc.infra.db import searched
from arqsvc.infra.storage import Stored
from arqsvc.jobs.record import FINAL, JobRecord, State

MEDIA_TYPES = {
    ".gb": "text/x-genbank",
    ".gbk": "text/x-genbank",
    ".gbff": "text/x-genbank",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values; charset=utf-8",
}

_PLAIN_NAME = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")


class _IndexWhereUnset(Index):
    """An index of those rows in which a column is NULL."""

    def __init__(self, *, fields: tuple[str, ...], name: str, column: str) -> None:
        super().__init__(fields=fields, name=name)
        self.extra = f' WHERE "{column}" IS NULL'


class FileRecord(Model):
    """A name and a project for some stored content; uploaded, or published by a job."""

    id = fields.UUIDField(primary_key=True)
    project = fields.CharField(64)
    job: fields.ForeignKeyNullableRelation[JobRecord] = fields.ForeignKeyField(
        "arqsvc.JobRecord", related_name="files", null=True, on_delete=fields.CASCADE
    )
    name = fields.CharField(255)
    media_type = fields.CharField(100)
    size_bytes = fields.BigIntField()
    sha256 = fields.CharField(64)
    created_at = fields.DatetimeField()

    class Meta:
        """Table and indexes."""

        table = "file"
        unique_together = (("job", "name"),)
        indexes = (
            Index(fields=("sha256",), name="file_content"),
            Index(fields=("project", "id", "size_bytes"), name="file_usage"),
            _IndexWhereUnset(fields=("project", "id"), name="file_uploaded", column="job_id"),
        )


def check_name(name: str) -> str:
    """Return `name` if it is the plain name of a file.

    Raises:
        InvalidParams: it is empty, too long, hidden, or names a folder.
    """
    if not _PLAIN_NAME.fullmatch(name) or len(name.encode()) > 255:
        raise InvalidParams(
            f"{name[:80]!r} is not a plain file name. Use 1 to 255 bytes without slashes, backslashes and control "
            "characters, not beginning with a dot.",
            errors=[{"pointer": "/name", "detail": "not a plain file name"}],
        )
    return name


def file_row(name: str, stored: Stored) -> dict[str, Any]:
    """Return a new file's row: `id, name, media_type, size_bytes, sha256`, as JSON values."""
    check_name(name)
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return {
        "id": str(uuid7()),
        "name": name,
        "media_type": MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
    }


_OPEN = " UNION ALL ".join(
    f"SELECT params FROM job WHERE state = '{state.value}' AND project = $2" for state in State if state not in FINAL
)


async def wanted(files: Collection[UUID], project: str) -> set[UUID]:
    """Return those of these files that a job of the project which has not ended names in its parameters.

    Looked for in each member of the parameters, and in each item of one that is a list.
    """
    if not files:
        return set()
    found = await searched(
        f"""SELECT DISTINCT file.id FROM ({_OPEN}) open
        CROSS JOIN jsonb_path_query(open.params, '$.*[*]') AS value
        JOIN unnest($1::text[]) AS file(id) ON file.id = value #>> '{{}}'""",
        [list(map(str, files)), project],
    )
    return {UUID(row["id"]) for row in found}


async def find_file(file: UUID, project: str) -> FileRecord:
    """Return a file of this project.

    Raises:
        NotFound: there is none with this id, or it is another's.
    """
    found = await FileRecord.get_or_none(id=file, project=project)
    if found is None:
        raise NotFound(f"There is no file {file}. Upload it with POST /api/v1/files, or check its id.")
    return found
