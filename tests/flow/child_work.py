"""What the kinds of jobs of the flow tests compute, in a child process."""

import os
import subprocess
import time
from pathlib import Path


def wait_for_file(folder: Path) -> str:
    grandchild = subprocess.Popen(["sleep", "600"])
    (folder / "pids.new").write_text(f"{os.getpid()} {grandchild.pid}")
    (folder / "pids.new").rename(folder / "pids")
    while not (folder / "go").exists():
        time.sleep(0.01)
    grandchild.kill()
    grandchild.wait()
    return "went"


def fill(size_bytes: int) -> int:
    pieces: list[bytearray] = []
    while sum(map(len, pieces)) < size_bytes:
        pieces.append(bytearray(os.urandom(1 << 20)) * 8)
    return len(pieces)


def until_there(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)
