"""The folder of all that lasts, held by one process at a time, and its short private folder for sockets."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from arqsvc.errors import CannotStart, StateInUse

SOCKET_PATH_BYTES = 100  # macOS takes 103, Linux 107
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"


@contextmanager
def hold_state(state_dir: Path) -> Iterator[None]:
    """Hold `state_dir`, made with mode 0700 where it is missing, against every other process for the block.

    Raises:
        StateInUse: another process holds it.
        CannotStart: it cannot be written.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _cannot_write(state_dir, error) from error
    try:
        _lock(lock, state_dir)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, state_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode()
        raise StateInUse(
            f"The state folder {state_dir} is in use by process {holder}. Use another with --state-dir DIR, or stop it."
        ) from error
    except OSError as error:
        raise _cannot_write(state_dir, error) from error


def _cannot_write(state_dir: Path, error: OSError) -> CannotStart:
    return CannotStart(
        f"The state folder {state_dir} cannot be written: {error.strerror}. Choose another with --state-dir DIR."
    )


@contextmanager
def runtime_folder(state_dir: Path, xdg_runtime_dir: Path | None) -> Iterator[Path]:
    """Make the folder of this state's sockets, empty and with mode 0700, and remove it after the block.

    Args:
        state_dir: held by the caller, see `hold_state`.
        xdg_runtime_dir: where the folder is made if this exists, is ours and leaves room for a socket's name;
            otherwise in the folder for temporary files.

    Raises:
        CannotStart: it cannot be made, somebody else has made it, or its path is too long for a socket.
    """
    name = sha256(os.fsencode(state_dir.resolve())).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()).resolve() / f"arqsvc-{os.geteuid()}-{name}"
    if xdg_runtime_dir and _is_ours(xdg_runtime_dir) and _is_short(xdg_runtime_dir / f"arqsvc-{name}"):
        folder = xdg_runtime_dir / f"arqsvc-{name}"
    if not _is_short(folder):
        raise CannotStart(f"The path {folder} is too long for a socket. Set TMPDIR to a shorter folder.")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"The folder for sockets {folder} cannot be made: {error.strerror}.") from error
    if not _is_ours(folder) or folder.stat().st_mode & 0o077:
        raise CannotStart(f"{folder} is not ours alone. Remove it, or set TMPDIR to a folder of your own.")
    for rest in folder.iterdir():  # of a run that was killed
        rest.unlink()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid()


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(folder / LONGEST_SOCKET_NAME)) < SOCKET_PATH_BYTES
