"""One request again and again over kept connections; standard input says which, what came is printed as JSON.

Standard library and uvloop only, and the request is made once, so that it takes little of the CPU that the server
shares. It says `warm` after the first seconds, which do not count.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from statistics import quantiles

import uvloop

LIMIT_S = 30.0
"""Longest wait for the last answers."""


class Tally:
    """What came over all connections from a time on until another, whenever it was asked for."""

    def __init__(self, begin_s: float, end_s: float) -> None:
        self.begin_s, self.end_s = begin_s, end_s
        self.statuses: Counter[int] = Counter()
        self.waits_s: list[float] = []
        self.broken = 0


class Client(asyncio.Protocol):
    """One connection: the next request is sent once the answer to the last is whole."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request, self._tally, self._rest = request, tally, b""
        self._sent_s = 0.0
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask."""
        self._transport = transport
        self._ask(time.perf_counter())

    def data_received(self, data: bytes) -> None:
        """Take an answer once it is whole."""
        self._rest = data = self._rest + data if self._rest else data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        length = data.find(b"content-length: ") + 16
        if len(data) < head + 4 + int(data[length : data.find(b"\r", length)]):
            return
        now, tally, self._rest = time.perf_counter(), self._tally, b""
        if tally.begin_s <= now <= tally.end_s:
            tally.statuses[int(data[9:12])] += 1
            tally.waits_s.append(now - self._sent_s)
        self._ask(now)

    def _ask(self, now: float) -> None:
        if now > self._tally.end_s:
            self.ended.set()
            return
        self._sent_s = now
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect no more."""
        self._tally.broken += not self.ended.is_set()
        self.ended.set()


async def main() -> None:
    asked = json.load(sys.stdin)
    begin_s = time.perf_counter() + asked["warm_s"]
    tally = Tally(begin_s, begin_s + asked["seconds"])
    loop, request = asyncio.get_running_loop(), asked["request"].encode()
    clients = [
        (await loop.create_connection(lambda: Client(request, tally), "127.0.0.1", asked["port"]))[1]
        for _ in range(asked["connections"])
    ]
    await asyncio.sleep(begin_s - time.perf_counter())
    used_s = cpu_s()
    print("warm", flush=True)
    await asyncio.sleep(tally.end_s - time.perf_counter())
    used_s = cpu_s() - used_s
    print("over", flush=True)
    async with asyncio.timeout(LIMIT_S):
        for client in clients:
            await client.ended.wait()
    cuts = quantiles(tally.waits_s, n=100) if len(tally.waits_s) > 1 else [0.0] * 99
    answers = sum(tally.statuses.values())
    print(json.dumps({
        "answers": answers, "good": tally.statuses[asked["status"]], "per_s": answers / asked["seconds"],
        "p50_s": cuts[49], "p99_s": cuts[98], "cpu": used_s / asked["seconds"], "broken": tally.broken,
    }), flush=True)  # fmt: skip


def cpu_s() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    uvloop.run(main())
