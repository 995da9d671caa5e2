"""Wait for what must happen; how long is the test's time limit's affair."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

DEADLINE_S = 60.0


async def until(happened: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once `happened` says so."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            said = happened()
            if said if isinstance(said, bool) else await said:
                return
            await asyncio.sleep(0.01)


async def pids_in(folder: Path) -> list[int]:
    """Return the process ids that a job of kind `test.wait` writes once it computes."""
    await until((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
