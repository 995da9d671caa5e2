"""Who is let in: the one place that every request passes, and what a process remembers of those who came."""

import asyncio
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from starlette.requests import HTTPConnection

from arqsvc.api.held import of
from arqsvc.api.keys import Caller, KeyKind, digest, find
from arqsvc.api.rates import Rates, Spent, keep
from arqsvc.api.sites import Sites
from arqsvc.errors import RateLimited, Unauthorized
from arqsvc.infra.db import rows
from arqsvc.infra.redis import ArqRedis
from arqsvc.settings import Settings

COOKIE = "arqsvc_session"
GUESSES_PER_MINUTE = 60
"""Secrets that are none, a minute of one address; who sends more is told so. A right one is let in all the same."""
LOOKUPS_PER_MINUTE = 600
"""Those beyond, a minute of one address; for who sends more, right or wrong, nothing is looked up for a moment."""
USED_S = 60.0
"""Seconds for which the last use of a key is not written again."""
GATHER_S = 1.0


class Gate:
    """The gate of one process of the API."""

    def __init__(self, settings: Settings, redis: ArqRedis) -> None:
        self.sites = Sites(settings)
        self._per_minute = settings.requests_per_minute
        self.rates = Rates(redis)
        self._known = OrderedDict[str, float]()
        """Digests that were good here: when their last use was written."""
        self._used = set[UUID]()
        self._wake = asyncio.Event()
        self._guessers = OrderedDict[str, float]()
        """Addresses from which far too many guesses came: until when nothing is looked up for them."""

    async def pass_on(self, connection: HTTPConnection, secret: str, kind: KeyKind) -> Caller:
        """Return whose secret this is, unless it comes too often; what is left of its quota goes with the answer.

        Raises:
            Unauthorized: it is nobody's.
            RateLimited: too many requests came with it; or too many that are nobody's came from this address.
        """
        kept = digest(secret)
        if kept not in self._known:  # who guesses does not hinder those with a key behind the same address
            self.refuse_guesser(connection)
        caller = await find(kept, kind)
        if caller is None:
            self._known.pop(kept, None)
            await self.note_guess(connection)
            raise Unauthorized("The key or session is unknown or has expired. `arqsvc keys create` makes a new key.")
        self._note_use(kept, caller)
        quota = self._per_minute if caller.per_minute is None else caller.per_minute
        if spent := await self.rates.spend(str(caller.id), quota):
            connection.state.headers = spent.headers()
            if spent.left < 0:
                raise spent.refused(
                    f"The key {caller.name!r} may send {quota:,} requests a minute. Wait {spent.wait_s:.1f} s, or ask "
                    "for a key that may send more."
                )
        return caller

    def refuse_guesser(self, connection: HTTPConnection) -> None:
        """Raise what an address is told from which far too many guesses came, before anything is looked up.

        Raises:
            RateLimited: they did.
        """
        if (until := self._guessers.get(address(connection))) and until > _now():
            raise _too_many_guesses(until - _now())

    async def note_guess(self, connection: HTTPConnection) -> None:
        """Count a secret that was looked up and is nobody's.

        Raises:
            RateLimited: one too many came from there.
        """
        host = address(connection)
        spent = await self.rates.spend(f"guesses:{host}", GUESSES_PER_MINUTE)
        if spent and spent.left < 0:
            beyond = await self.rates.spend(f"lookups:{host}", LOOKUPS_PER_MINUTE)
            if beyond and beyond.left < 0:
                keep(self._guessers, host, _now() + beyond.wait_s)
            raise _too_many_guesses(spent.wait_s)

    def _note_use(self, kept: str, caller: Caller) -> None:
        if _now() - self._known.get(kept, -USED_S) >= USED_S:
            keep(self._known, kept, _now())
            self._used.add(caller.id)
            self._wake.set()

    async def write_uses(self) -> None:
        """Write when keys were used, each at most once a minute, until cancelled."""
        while True:
            await self._wake.wait()
            used = frozenset(self._used)
            await rows(
                """WITH used AS (UPDATE api_key SET used_at = now() WHERE id = ANY ($1::uuid[]) RETURNING id)
                SELECT count(*) FROM used""",
                [list(used)],
            )
            self._used -= used
            if not self._used:
                self._wake.clear()
            await asyncio.sleep(GATHER_S)


async def authenticate(connection: HTTPConnection) -> Caller:
    """Return who sent this request, by `Authorization: Bearer`, `X-API-Key` or the session's cookie.

    Raises:
        Unauthorized: none of these is there, or it is not valid.
        Forbidden: a page of another site makes the browser send the cookie.
        Misdirected: the cookie came to a name that is not ours.
        RateLimited: it comes too often.
    """
    gate = of(connection).gate
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        secret = connection.headers.get("x-api-key", "")
    if secret:
        return await gate.pass_on(connection, secret.strip(), KeyKind.KEY)
    if secret := connection.cookies.get(COOKIE, ""):
        gate.sites.check_page(connection)
        return await gate.pass_on(connection, secret, KeyKind.SESSION)
    raise Unauthorized("Send a key as `Authorization: Bearer ...` or `X-API-Key`. `arqsvc keys create` makes one.")


def headers_of(connection: HTTPConnection) -> dict[str, str]:
    """Return what goes with every answer to this request: what its sender has left."""
    return dict(getattr(connection.state, "headers", {}))


def address(connection: HTTPConnection) -> str:
    """Return where a request comes from; of IPv6 the network, which one sender has whole."""
    host = connection.client.host if connection.client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else host


def _too_many_guesses(wait_s: float) -> RateLimited:
    return Spent(GUESSES_PER_MINUTE, -1, wait_s).refused(
        f"More than {GUESSES_PER_MINUTE} requests a minute came from your address with a key that is none. Correct it."
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
