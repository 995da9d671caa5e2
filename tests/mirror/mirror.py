"""The mirror as a test holds it: its addresses, what it has seen, and what goes wrong next."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from time import monotonic

from tests.mirror import datasets, eutils, genomes
from tests.mirror.faults import MOVED, Fault, planned
from tests.mirror.records import Records
from tests.mirror.server import Answer, Connection, Request, Seen, json_answer, not_found, serve

LIMIT_PER_S = 3
LIMIT_WITH_KEY_PER_S = 10
COUNTED = (eutils.FOLDER, datasets.FOLDER)
"""The services that have a budget of requests, each its own."""
TREE = genomes.FOLDER.removesuffix("/all")
LAG_S = 0.5
"""By how much a busy event loop may be late to see a request."""

CONTROL = "/_"


@dataclass(slots=True)
class _Planned:
    fault: Fault
    path: str
    times: int | None
    seconds: float | None
    ends: float | None = None

    def meets(self, request: Request, now: float) -> bool:
        """Return whether this request meets the fault; the first one that does starts its time."""
        if self.path not in request.target or self.times == 0 or (self.ends is not None and now >= self.ends):
            return False
        if self.seconds is not None:
            self.ends = self.ends or now + self.seconds
        elif self.times is not None:
            self.times -= 1
        return True


class Mirror:
    """A running mirror."""

    def __init__(self, records: Records, api_key: str | None) -> None:
        self.records = records
        self.api_key = api_key
        """The one key that is valid."""

        self.enforce = False
        """Whether requests above the budget are refused; they are counted anyway."""

        self.requests: list[Seen] = []
        """What was asked for, but for the mirror's own addresses, in order."""

        self.url = ""
        """Where it listens."""

        self._came: dict[tuple[str, int], list[float]] = {}
        self._planned: list[_Planned] = []
        self._holding: list[asyncio.Event] = []
        self._reached = asyncio.Event()

    @property
    def eutils_url(self) -> str:
        """The folder of efetch.fcgi."""
        return self.url + eutils.FOLDER

    @property
    def datasets_url(self) -> str:
        """The folder of genome/."""
        return self.url + datasets.FOLDER

    @property
    def genomes_url(self) -> str:
        """The folder of all/."""
        return self.url + TREE

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send arqsvc here."""
        return {
            "ARQSVC_EUTILS_URL": self.eutils_url,
            "ARQSVC_DATASETS_URL": self.datasets_url,
            "ARQSVC_GENOMES_URL": self.genomes_url,
        }

    def fail(self, fault: Fault, *, path: str = "", times: int | None = 1, seconds: float | None = None) -> None:
        """Let the next requests meet a fault, after those that were planned before.

        Args:
            fault: what goes wrong.
            path: what must be in the request's path and query.
            times: requests that meet it; None for all that come.
            seconds: how long requests meet it, from the first that does; `times` is not looked at then.
        """
        self._planned.append(_Planned(fault, path, times, seconds))

    def mend(self) -> None:
        """Forget all faults that are planned."""
        self._planned.clear()

    def seen(self, path: str) -> list[Seen]:
        """Return the requests with this in their path."""
        return [seen for seen in self.requests if path in seen.path]

    def body_bytes(self, path: str = "") -> int:
        """Return the bytes that were sent for requests with this in their path."""
        return sum(seen.body_bytes for seen in self.seen(path))

    def fullest_second(self, path: str = "") -> int:
        """Return the most requests in any second, wherever it begins."""
        times = [seen.time for seen in self.seen(path)]
        return max((sum(start <= time < start + 1 for time in times) for start in times), default=0)

    def over_budget(self) -> dict[str, int]:
        """Return the services that were asked more often than they allow, and how often in the fullest half second.

        All requests count, also those that a test forgot. Half a second is looked at, since the mirror may see a
        request late: it never takes what kept to the budget for what did not.
        """
        fullest = {
            (service, limit): max(sum(start <= time < start + 1 - LAG_S for time in times) for start in times)
            for (service, limit), times in self._came.items()
        }
        return {service: count for (service, limit), count in fullest.items() if count > limit}

    @property
    def held(self) -> int:
        """How many answers are held now."""
        return len(self._holding)

    async def reached(self) -> None:
        """Wait until an answer is held."""
        await self._reached.wait()

    def release(self) -> None:
        """Let all answers go on that are held now."""
        for held in self._holding:
            held.set()
        self._holding.clear()
        self._reached.clear()

    async def hold(self, connection: Connection) -> None:
        """Wait for the release, or for the client to leave."""
        held = asyncio.Event()
        self._holding.append(held)
        self._reached.set()
        try:
            await connection.wait(held)
        finally:
            if held in self._holding:
                self._holding.remove(held)
            if not self._holding:
                self._reached.clear()

    async def answer(self, request: Request) -> tuple[Answer, Seen]:
        """Return what a request gets, and where it is written down."""
        now = monotonic()
        seen = Seen(now, request.method, request.path, request.query, request.headers)
        if request.path.startswith(CONTROL):
            return self._control(request), seen
        self.requests.append(seen)
        self._count(request, now)
        met = next((one for one in self._planned if one.meets(request, now)), None)
        if met is None:
            return await self._respond(request), seen
        seen.fault = met.fault.name
        return await met.fault.meet(request, self._respond), seen

    def _count(self, request: Request, now: float) -> None:
        path = request.path.removeprefix(MOVED)
        if service := next((folder for folder in (*COUNTED, TREE) if path.startswith(f"{folder}/")), None):
            limit = LIMIT_WITH_KEY_PER_S if service in COUNTED and _key(request) else LIMIT_PER_S
            self._came.setdefault((service, limit), []).append(now)

    async def _respond(self, request: Request) -> Answer:
        """Return what NCBI would say."""
        request = replace(request, path=request.path.removeprefix(MOVED))
        service = next((folder for folder in COUNTED if request.path.startswith(f"{folder}/")), None)
        if service is None:
            inside = request.path.startswith(genomes.FOLDER)
            return await asyncio.to_thread(genomes.answer, self.records, request) if inside else not_found(request)
        key = _key(request)
        if key is not None and key != self.api_key:
            return eutils.wrong_key(key)
        limit = LIMIT_WITH_KEY_PER_S if key else LIMIT_PER_S
        since = monotonic() - 1
        count = sum(seen.time > since for seen in self.seen(service))
        if self.enforce and count > limit:
            answer = eutils.over_limit(count, limit, key)
        else:
            program = eutils if service == eutils.FOLDER else datasets
            answer = await asyncio.to_thread(program.answer, self.records, request)
        counted = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(max(0, limit - count))}
        return replace(answer, headers={**answer.headers, **counted})

    def _control(self, request: Request) -> Answer:
        match request.path.removeprefix(CONTROL):
            case "fault":
                try:
                    fault, when = planned(json.loads(request.body))
                except (KeyError, TypeError, ValueError) as error:
                    return json_answer({"error": f"{type(error).__name__}: {error}"}, 422)
                self.fail(fault, **when)
                return json_answer({"planned": fault.name})
            case "mend":
                self.mend()
                return json_answer({})
            case "release":
                self.release()
                return json_answer({})
            case "requests":
                return json_answer([asdict(seen) for seen in self.requests])
        return not_found(request)


def _key(request: Request) -> str | None:
    return request.headers.get("api-key") or request.query.get("api_key")


@asynccontextmanager
async def running_mirror(records: Records, *, port: int = 0, api_key: str | None = None) -> AsyncIterator[Mirror]:
    """Run a mirror of these records on loopback, in this event loop."""
    mirror = Mirror(records, api_key)
    async with asyncio.TaskGroup() as group:
        clients: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = group.create_task(serve(Connection(reader, writer), mirror.answer, mirror.hold))
            clients.add(client)
            client.add_done_callback(clients.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", port)
        mirror.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield mirror
        finally:
            server.close()
            for client in clients:
                client.cancel()


def exports(environment: Mapping[str, str]) -> str:
    """Return variables as lines for a shell."""
    return "".join(f"export {name}={value}\n" for name, value in environment.items())
