"""What the children of `test_pool.py` do: this module is all that they import."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from arqsvc.errors import Retryable

Report = Callable[[str, float], None]
logger = logging.getLogger(__name__)


class NeedsKeyword(Exception):
    def __init__(self, *, value: int) -> None:
        super().__init__(f"value is {value}")


class SaysTwice(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(f"again: {message}")


class OnlyInTheChild:
    def __reduce__(self) -> tuple[Callable[[int], Any], tuple[int]]:
        return _only_if_not, (os.getpid(),)


def _only_if_not(pid: int) -> None:
    if pid != os.getpid():
        raise RuntimeError("this does not leave the child")


def raise_(error: BaseException) -> NoReturn:
    raise error


def raise_by_name(name: str) -> NoReturn:
    raise {
        "keyword": NeedsKeyword(value=3),
        "twice": SaysTwice("no"),
        "lambda": ValueError("in a lambda", lambda: 0),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt("Ctrl-C"),
        "cancelled": asyncio.CancelledError("stop"),
        "iteration": StopIteration("end"),
    }[name]


def unpicklable(name: str) -> object:
    return {"lambda": lambda: 0, "thread": threading.Lock(), "only": OnlyInTheChild()}[name]


def hold_the_gil(report: Report) -> None:
    """Start a grandchild, tell both process ids, then stay in C code until killed."""
    grandchild = subprocess.Popen(["sleep", "600"])
    report(f"{os.getpid()} {grandchild.pid}", 0.5)
    pow(7, 10**10)


def read_when_written(fifo: Path, report: Report) -> bytes:
    report("reading", 0.0)
    return fifo.read_bytes()


def report_many(threads: int, times: int, report: Report) -> int:
    """Report from several threads at once, faster than anyone reads."""

    def many(letter: str) -> None:
        for number in range(times):
            report(letter * 64, number / times)

    running = [threading.Thread(target=many, args=(letter,)) for letter in "abcdefgh"[:threads]]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return threads * times


def report_all(steps: list[tuple[str, float]], report: Report) -> None:
    for step, fraction in steps:
        report(step, fraction)


def burn(cpu_s: float, report: Report | None = None) -> None:
    """Use `cpu_s` of CPU time, report, and if a report is wanted go on until killed."""
    while time.process_time() < cpu_s:
        pass
    if report:
        report("burnt", 1.0)
        signal.pause()


def burn_in_a_grandchild(cpu_s: float, report: Report) -> None:
    """Leave the CPU time to a child of this child, which then lives on."""
    if os.fork() == 0:
        burn(cpu_s, report)
    signal.pause()


def fill(size_bytes: int) -> int:
    return len(b"1" * size_bytes)


def fill_and_stay(size_bytes: int) -> None:
    """Hold memory in a child of this child until killed."""
    program = f"held = b'1' * {size_bytes}; import signal; signal.pause()"
    subprocess.run([sys.executable, "-c", program], check=True)


def surroundings() -> dict[str, object]:
    return {
        "leads its session": os.getsid(0) == os.getpid(),
        "SIGTERM": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "SIGCHLD": signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL,
        "OPENBLAS_NUM_THREADS": os.environ["OPENBLAS_NUM_THREADS"],
        "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        "threads": threading.active_count(),
    }


def loaded(*modules: str) -> list[bool]:
    return [module in sys.modules for module in modules]


def ignore_sigterm_and_die() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    ctypes.string_at(0)


def close_everything() -> None:
    os.closerange(0, 256)


def write_rubbish_everywhere() -> None:
    for descriptor in range(256):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, b"\0rubbish\nrubbish 1 2\n" * 50)
        except OSError:
            pass


def count_those_running(folder: Path) -> int:
    """Stand in the folder while this runs, and count who stands there."""
    own = folder / str(os.getpid())
    own.touch()
    burn(time.process_time() + 0.02)
    running = len(list(folder.iterdir()))
    own.unlink()
    return running


def leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(600,)).start()


def leave_a_grandchild(report: Report) -> str:
    report(str(subprocess.Popen(["sleep", "600"]).pid), 1.0)
    return "left"


def return_twice() -> int:
    return os.fork()


def not_ready() -> None:
    raise Retryable("later", delay_s=4.5, queue="analysis")


def log_all(report: Report) -> str:
    """Log in every way there is."""
    logger.debug("not worth telling")
    logger.info("%d reads of\n%s", 7, "Größe 🧬 \ud800", extra={"reads": 7, "path": Path("/x"), "steps": [1, 2]})
    report("half", 0.5)
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("it went wrong")
    logging.getLogger("matplotlib").info("not wanted of this one")
    thread = threading.Thread(target=logger.warning, args=("in a thread",))
    thread.start()
    thread.join()
    if (pid := os.fork()) == 0:
        logger.error("in a grandchild")
        os._exit(0)
    os.waitpid(pid, 0)
    logger.critical("last", extra={"unwritable": {(1, 2): 3}})
    return "logged"


def log_long(threads: int) -> None:
    """Log lines that are too long, from several threads at once."""

    def long(letter: str) -> None:
        logger.info(letter * 9_000)
        logger.info("%s", letter, extra={"fact": "é" * 9_000})
        logger.info("%s", letter + '\n\0"' * 9_000)
        try:
            raise ValueError("x" * 9_000)
        except ValueError:
            logger.exception(letter)

    running = [threading.Thread(target=long, args=(letter,)) for letter in "abcdefgh"[:threads]]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def log_and_die(lines: int) -> NoReturn:
    for number in range(lines):
        logger.info("line %d", number)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def log_and_touch(lines: int, path: Path, report: Report) -> int:
    report(str(os.getpid()), 0.0)
    while not path.with_suffix(".go").exists():
        time.sleep(0.01)
    for number in range(lines):
        logger.info("line %d %s", number, "x" * 1_000)
    path.touch()
    return lines
