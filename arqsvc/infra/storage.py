"""Result and uploaded files by content: each lies once, under its SHA-256, in a local folder; and scratch folders."""

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import _TemporaryFileWrapper
from uuid import uuid4

from arqsvc.errors import CannotStart, OutOfSpace

logger = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
PARTS = 256
"""Folders among which content is spread."""
INCOMING_S = 86_400
"""Seconds after which a file that never became whole is removed."""
DISCARD_S = 86_400.0
"""Seconds for which content stays that nothing names: a job that runs may be about to name it."""
PARTIAL_S = 7 * 86_400
"""Seconds for which what came of a download waits to be continued."""
RESERVE_BYTES = 2**30
RESERVE_SHARE = 0.05
"""What stays free of a disk, whichever is less: what never ends must not take the last of it from all others."""
NAME_CHARACTERS = 150
_UNWRITABLE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """Content that is in storage."""

    sha256: str
    """Lower-case hexadecimal digest."""
    size_bytes: int


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into OutOfSpace; which one is in the log, and not for every caller."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        why = os.strerror(error.errno or 0)
        logger.warning("a disk cannot be written", extra={"folder": str(folder), "why": why})
        raise OutOfSpace(
            f"A disk of the service cannot be written: {why}. Free space there; its log names the folder."
        ) from error


def reserve_bytes(folder: Path) -> int:
    """Return how much of this folder's disk stays free of what comes without saying how much it is."""
    return min(RESERVE_BYTES, int(shutil.disk_usage(folder).total * RESERVE_SHARE))


class Storage:
    """Content by SHA-256 below one folder; safe for many processes on one file system.

    Raises:
        CannotStart: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming, self._partial, self._aside = folder / "incoming", folder / "partial", folder / "aside"
        try:
            for made in (self._incoming, self._partial, self._aside):
                made.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise CannotStart(
                f"The storage folder {folder} cannot be made: {error.strerror}. Choose another with ARQSVC_STORAGE_DIR."
            ) from error
        _remove_untouched(self._incoming, INCOMING_S)
        _remove_untouched(self._partial, PARTIAL_S)

    def path(self, sha256: str) -> Path:
        """Return where this content lies, or would lie."""
        return self.folder / "sha256" / sha256[:2] / sha256

    def partial(self, key: str) -> Path:
        """Return where the download of this key grows; it survives the process, and a week without being touched."""
        return self._partial / hashlib.sha256(key.encode()).hexdigest()[:32]

    async def adopt(self, path: Path, sha256: str) -> Stored:
        """Move a whole file of this file system, whose SHA-256 is known to be this, to its content's place.

        What lies there already is replaced, since it may be damaged; who reads it goes on reading it.

        Raises:
            OutOfSpace: the disk is full or read-only.
        """
        with disk_errors(self.folder):
            return await asyncio.to_thread(self._adopt, path, sha256)

    async def discard(self, sha256: str, age_s: float = DISCARD_S) -> bool:
        """Remove content that nothing names, unless it was stored, or named anew, within so many seconds."""
        return await asyncio.to_thread(self._discard, self.path(sha256), age_s)

    def _discard(self, path: Path, age_s: float) -> bool:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - age_s:
                path.unlink()
                return True
        return False

    async def untouched(self, part: int, age_s: float = DISCARD_S) -> list[str]:
        """Return the content of one of the `PARTS` folders that was stored, or named anew, longer ago than this."""
        return await asyncio.to_thread(self._untouched, self.folder / "sha256" / f"{part:02x}", age_s)

    def _untouched(self, folder: Path, age_s: float) -> list[str]:
        before, found = time.time() - age_s, []
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < before:
                        found.append(entry.name)
        return found

    def named(self, sha256: str) -> None:
        """Note that content that is there will be named by another file."""
        with suppress(OSError):
            os.utime(self.path(sha256))

    def set_aside(self, path: Path, name: str, digest: str) -> Path:
        """Move what must not be used to where a person may look at it; the same content lies there once.

        Returns where: under this name, as far as a file may have it, and the beginning of the content's digest.
        """
        kept = self._aside / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:NAME_CHARACTERS]}.{digest[:16]}"
        with disk_errors(self.folder):
            path.replace(kept)
        return kept

    async def put(self, chunks: AsyncIterable[bytes]) -> Stored:
        """Store a stream; nothing is left of one that breaks off.

        Raises:
            OutOfSpace: the disk is full or read-only.
        """
        digest, size = hashlib.sha256(), 0
        with disk_errors(self.folder), tempfile.NamedTemporaryFile(dir=self._incoming) as file:
            async for chunk in chunks:
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
            await asyncio.to_thread(self._keep, file, digest.hexdigest())
        return Stored(digest.hexdigest(), size)

    async def put_path(self, path: Path) -> Stored:
        """Store a copy of a local file.

        Raises:
            OutOfSpace: the disk is full or read-only.
        """
        return await asyncio.to_thread(self._put_path, path)

    def _put_path(self, path: Path) -> Stored:
        with path.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
            if not self._lies(sha256, source.tell()):
                source.seek(0)
                with disk_errors(self.folder), tempfile.NamedTemporaryFile(dir=self._incoming) as file:
                    shutil.copyfileobj(source, file, CHUNK_BYTES)
                    self._keep(file, sha256)
            return Stored(sha256, path.stat().st_size)

    def _lies(self, sha256: str, size_bytes: int) -> bool:
        """Return whether this content is there, and not cut."""
        with suppress(FileNotFoundError):
            return self.path(sha256).stat().st_size == size_bytes
        return False

    def _keep(self, file: "_TemporaryFileWrapper[bytes]", sha256: str) -> None:
        """Make the new file durable under its hash; whole content that is there already stays as it is."""
        file.flush()
        if self._lies(sha256, os.fstat(file.fileno()).st_size):
            self.named(sha256)
            return
        os.fsync(file.fileno())
        second = self._incoming / uuid4().hex  # the first name goes when the file is closed
        os.link(file.name, second)
        try:
            self._move(second, sha256)
        finally:
            second.unlink(missing_ok=True)

    def _adopt(self, path: Path, sha256: str) -> Stored:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            size_bytes = os.fstat(file.fileno()).st_size
        self._move(path, sha256)
        return Stored(sha256, size_bytes)

    def _move(self, path: Path, sha256: str) -> None:
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_untouched(folder: Path, age_s: float) -> None:
    """Remove what killed processes left there, so long ago."""
    for left in folder.iterdir():
        with suppress(OSError):  # another process may be at it
            if left.stat().st_mtime < time.time() - age_s:
                left.unlink()


SCRATCH = "arqsvc-"
"""What the names of our own folders begin with, in a scratch folder that others may use too."""


@asynccontextmanager
async def process_scratch(base: Path, name: str) -> AsyncIterator[Path]:
    """Make a folder for the scratch folders of one process; it is removed afterwards, or by another once we are dead.

    A lock beside it, `<folder>.lock`, is held for as long as the process lives.

    Raises:
        OutOfSpace: it cannot be made.
    """
    folder = base / f"{SCRATCH}{name}"
    with disk_errors(base):
        base.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with disk_errors(base):
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        await asyncio.to_thread(_remove_scratch, folder)
        os.close(lock)


def clear_abandoned_scratch(base: Path) -> None:
    """Remove the folders of processes that are dead: those whose lock is free."""
    for beside in base.glob(f"{SCRATCH}*.lock"):
        with suppress(OSError), beside.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_scratch(beside.with_suffix(""))


def _remove_scratch(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


class ScratchFolder:
    """A private folder that is made when it is first wanted."""

    def __init__(self, base: Path, name: str) -> None:
        self._base, self._name = base, name
        self.is_made = False

    @property
    def path(self) -> Path:
        """Where it is, or would be."""
        return self._base / self._name

    def made(self) -> Path:
        """Return the folder, which exists from now on.

        Raises:
            OutOfSpace: it cannot be made.
        """
        path = self.path
        if not self.is_made:
            with disk_errors(self._base):
                path.mkdir(mode=0o700)
            self.is_made = True
        return path

    async def remove(self) -> None:
        """Remove it with all that was put into it."""
        await asyncio.to_thread(shutil.rmtree, self.path, ignore_errors=True)
