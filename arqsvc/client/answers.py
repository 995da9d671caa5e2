"""What an answer that is no success means, and for how long to ask again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from arqsvc.errors import ArqsvcError, CannotStart

GIVE_UP_S = 60.0
"""Seconds without any answer after which it is asked no more."""
RECONNECT_S = 0.5
"""The first pause before a request is repeated; each further one is twice as long."""
LONGEST_PAUSE_S = 5.0
LATER = frozenset({429, 500, 502, 503, 504})
"""Statuses that a later try may not meet."""

T = TypeVar("T")
Away = Callable[[float | None], None]
"""Is told that the service does not answer, and for how many seconds it is asked again; None once it answers."""


class ApiError(ArqsvcError):
    """The API refused; `facts` holds the members of its problem document."""

    code = "api_error"
    title = "The API refused"


class NotNow(ApiError):
    """The API, or what stands before it, cannot answer now."""

    answered = 503
    """The status."""
    wait_s: float | None = None
    """For how long it asks to wait; None where it does not say."""


class Unreachable(CannotStart):
    """The service does not answer at all; where a request is repeated, it has not for a minute. Jobs go on."""


class StreamFault(Exception):
    """What came is not what was asked for; it is asked for anew."""


class Patience:
    """How long to go on asking: until nothing was heard for a minute.

    Args:
        takes_turns: 429 counts as heard, so that one of many goes on until it is its turn.
        away: is told once when the service begins not to answer, and once when it answers again.
    """

    def __init__(self, *, takes_turns: bool, away: Away = lambda left_s: None) -> None:
        self._takes_turns, self._away, self._is_away = takes_turns, away, False
        self.heard()

    def heard(self) -> None:
        """Note that the service has answered."""
        self._until, self._pause_s = asyncio.get_running_loop().time() + GIVE_UP_S, RECONNECT_S
        if self._is_away:
            self._is_away = False
            self._away(None)

    async def after(self, error: ArqsvcError) -> None:
        """Wait for as long as an error asks, else a moment; a bit longer by chance, so that not all come back at once.

        Raises:
            ArqsvcError: the error, where that is beyond the minute.
        """
        wait_s = error.wait_s if isinstance(error, NotNow) else None
        its_turn_comes = self._takes_turns and isinstance(error, NotNow) and error.answered == 429
        if its_turn_comes:
            self.heard()
            wait_s = min(wait_s or 0.0, GIVE_UP_S / 2)
        if wait_s is None:
            wait_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        wait_s = max(wait_s, RECONNECT_S)
        wait_s += random.uniform(0.0, min(wait_s, LONGEST_PAUSE_S) / 2)  # noqa: S311 - nothing is to be kept secret
        left_s = self._until - asyncio.get_running_loop().time()
        if wait_s > left_s:
            raise error
        if not (self._is_away or its_turn_comes):
            self._is_away = True
            self._away(left_s)
        await asyncio.sleep(wait_s)


async def patiently(ask: Callable[[], Awaitable[T]], *, takes_turns: bool = False) -> T:
    """Return what a request that may be repeated returns; "not now" and lost connections are waited out for a minute.

    Raises:
        ApiError: the API refused, or had no time for longer than that.
        Unreachable: it did not answer for longer than that.
    """
    patience = Patience(takes_turns=takes_turns)
    while True:
        try:
            return await ask()
        except Unreachable as error:
            await patience.after(error)
        except NotNow as error:
            if error.answered == 500:  # a fault of its own, which it would meet again
                raise
            await patience.after(error)


def unreachable(url: str, error: Exception) -> CannotStart:
    """Return the error that a failed exchange means; Unreachable where a later one may succeed."""
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return CannotStart(f"The service at {url} cannot be asked: {why}. Check the address and the key.")
    return Unreachable(f"The service at {url} does not answer: {why}. Start it with `arqsvc up`.")


async def check(answer: httpx.Response) -> None:
    """Read an answer that is no success.

    Raises:
        NotNow: it may be another later.
        ApiError: the API refused.
    """
    if answer.is_success:
        return
    await answer.aread()
    status = answer.status_code
    try:
        problem = answer.json()
        detail = str(problem.pop("detail"))
    except (ValueError, KeyError, AttributeError, TypeError):  # of something that stands before the API
        problem = {}
        detail = f"{answer.request.method} {answer.request.url.path} was answered {status}."
    if status not in LATER and "Retry-After" not in answer.headers:
        raise ApiError(detail, **problem)
    error = NotNow(detail, **problem)
    error.answered, error.wait_s = status, _seconds(answer.headers.get("Retry-After", ""))
    raise error


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() else None
