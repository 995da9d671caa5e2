"""What the kinds of jobs of the flow tests compute, in a child process."""

import logging
import os
import subprocess
import time
from pathlib import Path

logger = logging.getLogger(__name__)


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


def log_until_there(path: Path, secret: str, lines: int) -> None:
    logger.debug("not worth telling")
    logger.warning("in a child", extra={"reads": 7})
    logging.getLogger("httpx").warning("GET https://host/?api_key=x")
    logger.info("connect to %s", secret)
    for number in range(lines):
        logger.info("line %d", number)
    until_there(path)
    logger.info("it is there")
