"""Many streams read in one process: `... PORT KEY JOB,JOB,... STREAMS SECONDS`; what came is printed as JSON.

Standard library and uvloop only: its own work is in the times that it takes. It says `open` once each stream has told
the first event of its job, and ends once all streams have.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from datetime import datetime

import uvloop

AT_ONCE = 100
FINAL = frozenset({"succeeded", "failed", "cancelled"})


class Reader(asyncio.Protocol):
    """One stream of one job."""

    def __init__(self, request: bytes, tally: "Tally") -> None:
        self._request, self._tally, self._rest = request, tally, b""
        self._seq = 0
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        now = time.time()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self._take(json.loads(line[6:]), now)

    def _take(self, event: dict[str, object], now: float) -> None:
        self._tally.kinds[str(event["type"])] += 1
        if event["type"] != "state":
            return
        seq, data = int(str(event["id"])), event["data"]
        assert isinstance(data, dict)
        self._tally.faults += seq != self._seq + 1
        self._seq = seq
        if self.begun.is_set():
            self._tally.waits_s.append(now - datetime.fromisoformat(str(event["ts"])).timestamp())
        self.begun.set()
        if data["state"] in FINAL:
            self._tally.ends += 1
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect no more."""
        self.begun.set()
        self.ended.set()


class Tally:
    """What came, of all streams."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.faults = self.ends = 0
        self.waits_s: list[float] = []


async def main(port: str, key: str, jobs: str, streams: str, seconds: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    tally, loop, turns = Tally(), asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    names = jobs.split(",")

    async def open_one(number: int) -> Reader:
        request = (
            f"GET /api/v1/jobs/{names[number % len(names)]}/events HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n"
        )
        async with turns:
            _, reader = await loop.create_connection(lambda: Reader(request.encode(), tally), "127.0.0.1", int(port))
            await reader.begun.wait()
        return reader

    async with asyncio.timeout(float(seconds)):
        async with asyncio.TaskGroup() as group:
            opening = [group.create_task(open_one(number)) for number in range(int(streams))]
        print("open", flush=True)
        try:
            for task in opening:
                await task.result().ended.wait()
        finally:
            waits = sorted(tally.waits_s) or [0.0]
            told = {
                "state": tally.kinds["state"], "progress": tally.kinds["progress"], "faults": tally.faults,
                "ends": tally.ends, "live": len(tally.waits_s), "p50_s": waits[len(waits) // 2],
                "p99_s": waits[int(len(waits) * 0.99)], "max_s": waits[-1],
            }  # fmt: skip
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
