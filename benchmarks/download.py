"""What a download costs, and what a host sees of five workers.

    python -m benchmarks.download [SIZE_MIB]

A loopback server in a process of its own sends one file by sendfile. It is written to the same disk by ours (with
SHA-256 and MD5 on the way, the budget and the note for resuming), by a bare httpx loop (nothing but the bytes) and by
curl, taking turns, each in a fresh process; the first two on uvloop, as a worker is. CPU is of the process that
downloads. Then five processes ask the server as often as a budget lets them, and it says how many requests came.
"""

import asyncio
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import httpx
import uvloop

from arqsvc.errors import Throttled
from arqsvc.infra.budget import Budget
from arqsvc.infra.embedded import embedded_redis
from arqsvc.infra.http import Http, open_http
from arqsvc.infra.redis import open_redis
from arqsvc.infra.state import runtime_folder
from arqsvc.settings import Settings

ROUNDS = 3
WORKERS = 5
ASK_S = 10.0
PIECE_BYTES = 256 * 1024
Row = dict[str, float]


def serve(file: Path) -> None:
    """Send the file, and note when a turn was taken; the port is the first line of output."""
    came_s: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            arrived_s = time.monotonic()
            if self.path == "/file":
                self._send_file()
                return
            body = b""
            if self.path == "/turn":
                came_s.append(arrived_s)
            else:
                body = json.dumps(came_s).encode()
                came_s.clear()
            self._head(len(body))
            self.wfile.write(body)

        def _head(self, size_bytes: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(size_bytes))
            self.send_header("ETag", '"one"')
            self.end_headers()

        def _send_file(self) -> None:
            with file.open("rb") as source:
                size_bytes = os.fstat(source.fileno()).st_size
                self._head(size_bytes)
                sent = 0
                while sent < size_bytes:
                    sent += os.sendfile(self.connection.fileno(), source.fileno(), sent, size_bytes - sent)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def served(file: Path) -> Iterator[str]:
    """Run the server in a process of its own; gives its URL."""
    with subprocess.Popen(command("serve", file), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.download", *map(str, args)]


@asynccontextmanager
async def opened(folder: Path, redis_url: str) -> AsyncIterator[Http]:
    async with open_redis(redis_url) as redis, open_http(Settings(state_dir=folder), redis) as http:
        yield http


async def ours(url: str, folder: Path, redis_url: str) -> Row:
    async with opened(folder, redis_url) as http:
        start_s, cpu_s = time.perf_counter(), time.process_time()
        fetched = await http.download(url, folder / "file", budget=Budget("file", 1000))
        row = {"wall_s": time.perf_counter() - start_s, "cpu_s": time.process_time() - cpu_s}
    return {**row, "bytes": fetched.size_bytes, "rss_mib": peak_rss_mib()}


async def bare(url: str, folder: Path) -> Row:
    async with httpx.AsyncClient(trust_env=False) as client:
        start_s, cpu_s = time.perf_counter(), time.process_time()
        with (folder / "file").open("wb") as out:
            async with client.stream("GET", url) as response:
                async for piece in response.aiter_raw(PIECE_BYTES):
                    out.write(piece)
        row = {"wall_s": time.perf_counter() - start_s, "cpu_s": time.process_time() - cpu_s}
    return {**row, "bytes": (folder / "file").stat().st_size, "rss_mib": peak_rss_mib()}


def curl(url: str, folder: Path) -> Row:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    subprocess.run(["curl", "--silent", "--noproxy", "*", "--output", str(folder / "file"), url], check=True)
    wall_s, after = time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s, "bytes": (folder / "file").stat().st_size}


def peak_rss_mib() -> float:
    """Largest resident memory of this process; `ru_maxrss` would count what it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def ask(url: str, folder: Path, redis_url: str, per_s: int) -> None:
    """Ask as often as the budget lets us, until the time is over; it starts with a line of input."""
    async with opened(folder, redis_url) as http:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        end_s = time.monotonic() + ASK_S
        while time.monotonic() < end_s:
            try:
                await http.get(f"{url}/turn", budget=Budget(f"turns {per_s}", per_s))
            except Throttled as throttled:
                await asyncio.sleep(min(throttled.delay_s or 0, end_s - time.monotonic()))


def measured(way: str, *args: object) -> Row:
    """Run one way in a process of its own, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command(way, args[0], folder, *args[1:]), check=True, capture_output=True, text=True)
        row: Row = json.loads(done.stdout)
        return row


def throughput(url: str, redis_url: str, size_bytes: int) -> None:
    ways: dict[str, tuple[object, ...]] = {"ours": (url, redis_url), "bare": (url,)}
    if shutil.which("curl"):
        ways["curl"] = (url,)
    rows: dict[str, list[Row]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, args in ways.items():
            rows[way].append(measured(way, *args))
    assert all(row["bytes"] == size_bytes for found in rows.values() for row in found)
    print(f"{'':6}{'MB/s':>24}{'CPU s per GB':>14}{'peak MiB':>10}")
    for way, found in rows.items():
        rates = sorted(size_bytes / 1e6 / row["wall_s"] for row in found)
        cpu = median(row["cpu_s"] for row in found) / (size_bytes / 1e9)
        rss = f"{max(row['rss_mib'] for row in found):10.1f}" if "rss_mib" in found[0] else ""
        print(f"{way:6}{f'{median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})':>24}{cpu:14.2f}{rss}")


def hashing() -> None:
    """Print what the digests alone take: the bound of what ours can do on one core."""
    piece, digests = os.urandom(PIECE_BYTES), (hashlib.sha256(), hashlib.md5(usedforsecurity=False))
    for digest in digests:
        start_s = time.perf_counter()
        for _ in range(2000):
            digest.update(piece)
        print(f"{digest.name} alone: {2000 * PIECE_BYTES / 1e6 / (time.perf_counter() - start_s):,.0f} MB/s")


def fleet(url: str, folder: Path, redis_url: str, per_s: int) -> None:
    asking = command("ask", url, folder, redis_url, per_s)
    processes = [
        subprocess.Popen(asking, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    came_s = httpx.get(f"{url}/turns", trust_env=False).json()
    spans = [sum(first <= came < first + 1 for came in came_s) for first in came_s]
    last = (len(came_s) - 1) // per_s * per_s  # from the beginning of one burst to that of another
    rate = last / (came_s[last] - came_s[0])
    print(f"{per_s:3} a second: {len(came_s)} requests, {rate:.2f} a second, {max(spans)} in the fullest second")


def fill(file: Path, size_bytes: int) -> None:
    with file.open("wb") as out:
        for _ in range(size_bytes // PIECE_BYTES):
            out.write(os.urandom(PIECE_BYTES))


def compare(folder: Path, redis_url: str, size_mib: int) -> None:
    file = folder / "served"
    with served(file) as url:
        fill(file, size_mib * 2**20 // 8)
        small = measured("ours", f"{url}/file", redis_url)
        fill(file, size_mib * 2**20)
        throughput(f"{url}/file", redis_url, size_mib * 2**20)
        print(f"ours, of {size_mib // 8} MiB: peak {small['rss_mib']:.1f} MiB")
        hashing()
        print(f"{WORKERS} processes for {ASK_S:g} s, counted by the server, with a budget of")
        for per_s in (3, 10):
            fleet(url, folder, redis_url, per_s)


async def main(size_mib: int) -> None:
    print(f"{os.cpu_count()} CPUs, {ROUNDS} rounds of {size_mib} MiB over loopback; median (least to most)")
    with tempfile.TemporaryDirectory() as name, runtime_folder(Path(name), None) as runtime:
        async with embedded_redis(Path(name), runtime) as redis:
            await asyncio.to_thread(compare, Path(name), redis.url, size_mib)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", path]:
            serve(Path(path))
        case ["ours", url, folder, redis_url]:
            print(json.dumps(uvloop.run(ours(url, Path(folder), redis_url))))
        case ["bare", url, folder]:
            print(json.dumps(uvloop.run(bare(url, Path(folder)))))
        case ["curl", url, folder]:
            print(json.dumps(curl(url, Path(folder))))
        case ["ask", url, folder, redis_url, per_s]:
            uvloop.run(ask(url, Path(folder), redis_url, int(per_s)))
        case [*size]:
            asyncio.run(main(int(size[0]) if size else 2048))
