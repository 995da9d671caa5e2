"""A file on its way to disk: its bytes so far, their digests, and a note beside them of what they are a part of."""

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from arqsvc.errors import JobFailed, OutOfSpace, Rejected
from arqsvc.infra.storage import CHUNK_BYTES, disk_errors

_MODE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Note:
    """What bytes are a part of: enough to ask for the rest of the same."""

    url: str
    """Where it was asked for, without the query."""
    etag: str | None
    last_modified: str | None
    size_bytes: int | None
    """Of the whole, where the source said."""

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], size_bytes: int | None) -> "Note | None":
        """Return the note for an answer; None if the source cannot continue it, or not tell whether it is the same."""
        etag = headers.get("ETag")
        strong = etag if etag and etag.startswith('"') else None
        modified = headers.get("Last-Modified")
        if headers.get("Accept-Ranges", "").lower() == "none" or not (strong or modified):
            return None
        return cls(url, strong, modified, size_bytes)

    @property
    def validator(self) -> str:
        """What If-Range carries: with it a source that has another file by now sends that one, from its beginning."""
        return self.etag or self.last_modified or ""


class Partial:
    """A file that nobody else writes; `open_partial` makes one."""

    def __init__(self, path: Path, fd: int, *, lasts: bool) -> None:
        self.path, self._fd, self._lasts = path, fd, lasts
        self._beside = path.with_name(f"{path.name}.json")
        self.note: Note | None = None
        """Set where the rest can be asked for."""
        self.size_bytes = 0
        self.received_bytes = 0
        """What has crossed the network for it since it was opened."""
        self._start_digests()

    async def take_up(self, url: str) -> None:
        """Go on with what lies there, if it is a part of what is asked for now."""
        if self._lasts and (note := self._read_note()) and note.url == url and note.validator:
            await asyncio.to_thread(self._read_prefix)
            self.note = note

    async def begin(self, note: Note | None) -> None:
        """Start over, with nothing in the file."""
        self.note, self.size_bytes = note, 0
        self._start_digests()
        await asyncio.to_thread(self._empty)

    def write(self, piece: bytes) -> None:
        """Append; what a killed process has written is there for the next."""
        self._sha256.update(piece)
        self._md5.update(piece)
        self.size_bytes += len(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(self._fd, left) :]

    def keep(self) -> Path:
        """Give the whole file a name that nobody else writes to, and return it."""
        whole = _name_of_its_own(self.path) if self._lasts else self.path
        self.path.rename(whole)
        self.path, self.note = whole, None
        self._lasts = False
        self._beside.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1
        return whole

    def need(self, size_bytes: int) -> None:
        """Raise OutOfSpace if so much will not fit on the disk."""
        folder = self.path.parent
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < size_bytes:
            raise OutOfSpace(
                f"{folder} has {free_bytes:,} bytes free, and {size_bytes:,} are still to come. Free space there, or "
                "choose another folder with ARQSVC_STORAGE_DIR.",
                free_bytes=free_bytes,
                needed_bytes=size_bytes,
            )

    def close(self) -> None:
        """Leave what can be continued; remove what cannot."""
        if self._fd < 0:
            return
        if not (self._lasts and self.note and self.size_bytes):
            self.path.unlink(missing_ok=True)
            if self._lasts:
                self._beside.unlink(missing_ok=True)
        os.close(self._fd)

    @property
    def digests(self) -> tuple[str, str]:
        """SHA-256 and MD5 of what was written."""
        return self._sha256.hexdigest(), self._md5.hexdigest()

    def _start_digests(self) -> None:
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def _read_note(self) -> Note | None:
        with suppress(OSError, ValueError, TypeError):  # none is there, or not one of ours
            return Note(**json.loads(self._beside.read_bytes()))
        return None

    def _read_prefix(self) -> None:
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                self._sha256.update(piece)
                self._md5.update(piece)
                self.size_bytes += len(piece)

    def _empty(self) -> None:
        """Make the file empty, and only then say what will be in it: the order holds through a power cut too."""
        if os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, 0)
            os.fsync(self._fd)
        if not self._lasts:
            return
        if self.note is None:
            self._beside.unlink(missing_ok=True)
            return
        new = self._beside.with_name(f"{self._beside.name}.new")
        new.write_text(json.dumps(asdict(self.note)))
        new.replace(self._beside)


@asynccontextmanager
async def open_partial(path: Path, url: str) -> AsyncIterator[Partial]:
    """Open the file for us alone, with what an earlier process left of it.

    Whoever comes while another writes it gets a file of its own beside it. What is refused for good leaves nothing.

    Raises:
        OutOfSpace: it cannot be made.
    """
    with disk_errors(path.parent):
        fd = _claim(path)
        if fd is None:
            own = _name_of_its_own(path)
            partial = Partial(own, os.open(own, _MODE | os.O_EXCL, 0o600), lasts=False)
        else:
            partial = Partial(path, fd, lasts=True)
    try:
        await partial.take_up(url)
        yield partial
    except (JobFailed, Rejected):
        partial.note = None
        raise
    finally:
        partial.close()


def _name_of_its_own(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid4().hex}")


def _claim(path: Path) -> int | None:
    """Return a descriptor of the file that holds its lock; None if another holds it."""
    while True:
        fd = os.open(path, _MODE, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:
            pass
        os.close(fd)  # its last owner has just renamed or removed it
