"""What a call in a child costs: ours beside pebble, taking turns in one run.

    python -m benchmarks.pool [ROUNDS]

pebble gets the guards that an initializer can give it: SIGTERM as it was, a session of its own, an end with its parent.
It uses a child again and again; with `max_tasks=1` each call has a child of its own, as with ours.
"""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pebble
import psutil

from arqsvc.infra.pool import Pool

PRELOAD = ("numpy", "matplotlib.figure", "matplotlib.backends.backend_svg", "gb_io")
CALLS = 50
# an expression, because children import no `__main__`: say who this is, then hold the GIL in C code
BUSY = "open({!r}, 'w').write(str(__import__('os').getpid())) and pow(7, 10**10)"
Run = Callable[..., Awaitable[Any]]
Way = Callable[[], AbstractAsyncContextManager[Run]]


@asynccontextmanager
async def ours(warm: int) -> AsyncIterator[Run]:
    async with Pool(size=2, preload=PRELOAD, warm=warm) as pool:
        yield pool.run


@asynccontextmanager
async def peers(max_tasks: int) -> AsyncIterator[Run]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, "arqsvc.infra.pool", "pebble"])  # its children import this __main__
    pool = pebble.ProcessPool(max_workers=2, max_tasks=max_tasks, context=context, initializer=guard)

    async def run(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.wrap_future(pool.schedule(function, args=list(args)))

    try:
        yield run
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        await asyncio.to_thread(pool.join)


def guard() -> None:
    """Make a child of pebble keep as much of the contract as it can."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(PermissionError):
        os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


async def measured(way: Way) -> dict[str, float]:
    """Open the pool anew and return one value for each column."""
    async with way() as run:
        for _ in range(5):
            await run(abs, -1)
        cpu_start_s, start_s = cpu_s(), time.perf_counter()
        for _ in range(CALLS):
            await run(abs, -1)
        end_s = time.perf_counter()
        used_s = cpu_s() - cpu_start_s
        pss_mib, killed_ms = await killed(run)
    return {
        "us/call": (end_s - start_s) / CALLS * 1e6,
        "CPU us/call": used_s / CALLS * 1e6,
        "PSS MiB/child": pss_mib,
        "cancel to dead ms": killed_ms,
    }


def cpu_s() -> float:
    """CPU seconds of this process and of all below it, the dead included."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total_s = own.ru_utime + own.ru_stime
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total_s += sum(process.cpu_times()[:4])
    return total_s


async def killed(run: Run) -> tuple[float, float]:
    """Cancel a call that is in C code: proportional set size of its child in MiB, milliseconds until it was dead."""
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder, "fifo")
        os.mkfifo(fifo)
        call = asyncio.ensure_future(run(eval, BUSY.format(str(fifo))))
        child = psutil.Process(int(await asyncio.to_thread(fifo.read_text)))
        pss_mib = child.memory_full_info().pss / 2**20
        start_s = time.perf_counter()
        call.cancel()
        with suppress(psutil.NoSuchProcess):
            while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - pebble gives no event
                await asyncio.sleep(0.0005)
        killed_ms = (time.perf_counter() - start_s) * 1000
        with suppress(asyncio.CancelledError):
            await call
        return pss_mib, killed_ms


def main(rounds: int) -> None:
    ways: dict[str, Way] = {
        "ours, 2 warm": partial(ours, 2),
        "ours, none warm": partial(ours, 0),
        "pebble, guarded": partial(peers, 0),
        "pebble, a child a call": partial(peers, 1),
    }
    values: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            values[name].append(asyncio.run(measured(way)))
    columns = list(values["pebble, guarded"][0])
    print(f"{'':24}" + "".join(f"{column:>26}" for column in columns))
    median = {
        name: {column: statistics.median(row[column] for row in rows) for column in columns}
        for name, rows in values.items()
    }
    for name, row in median.items():
        cells = (f"{row[c]:,.1f} ({row[c] / median['pebble, guarded'][c]:.2f}x)" for c in columns)
        print(f"{name:24}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)
