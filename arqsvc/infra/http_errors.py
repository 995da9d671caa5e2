"""What went wrong with a request, in our words: httpx' exceptions and the statuses that are no success."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from arqsvc.errors import ArqsvcError, SourceAway, SourceRefused, SourceUnavailable

CONNECT_S = 5.0
"""Longest wait for a connection to one host: no network at all is said within this time for each that is asked."""
CHECK_NETWORK = "Check the network, or the proxy variables (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."
LATER = {408, 425}
"""Statuses of the 4xx that a later try may not meet."""
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)
"""How httpx says that a connection ended too early."""


@contextmanager
def http_errors(host: str, where: Callable[[], str]) -> Iterator[None]:
    """Turn what httpx raises into SourceUnavailable or SourceRefused.

    Args:
        host: who was asked.
        where: says how far it had come, as "after 3 of 5 bytes".
    """
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise _unreachable(host, f"no connection within {CONNECT_S:g} s") from error
    except httpx.PoolTimeout as error:
        raise SourceUnavailable(f"This worker has no free connection for {host}. It tries again.", host=host) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise stalled(host, where()) from error
    except httpx.ProxyError as error:
        raise _unreachable(host, f"the proxy says {str(error)[:100]!r}") from error
    except httpx.ConnectError as error:
        raise _not_connected(host, error) from error
    except BROKEN as error:
        if is_bad_redirect(error):
            raise SourceRefused(f"{host} sends us to what is no address.", host=host) from error
        raise SourceUnavailable(f"The transfer from {host} broke off {where()}.", host=host) from error
    except ssl.SSLError as error:
        raise SourceUnavailable(f"The encrypted connection to {host} broke {where()}.", host=host) from error


def is_bad_redirect(error: httpx.HTTPError) -> bool:
    """Return whether this is how httpx says that a Location holds no address."""
    return isinstance(error.__context__, httpx.InvalidURL)


def stalled(host: str, where: str) -> SourceUnavailable:
    """Return the error for a transfer that stands still, or nearly."""
    return SourceUnavailable(f"The transfer from {host} stalled {where}.", host=host)


def _not_connected(host: str, error: httpx.ConnectError) -> SourceUnavailable:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
            return SourceUnavailable(
                f"{host} cannot be trusted: {why}. If it, or a proxy, has a certificate of a private authority, "
                "name the authority's file in SSL_CERT_FILE.",
                host=host,
            )
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return _unreachable(host, "no address for this name")
        if isinstance(cause, ConnectionRefusedError):
            return _unreachable(host, "connection refused")
    said = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return _unreachable(host, said or "no connection")


def _unreachable(host: str, why: str) -> SourceAway:
    return SourceAway(f"{host} cannot be reached: {why}. {CHECK_NETWORK}", host=host)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it came of."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    if cause := error.__cause__ or error.__context__:
        yield from _causes(cause)


def asked_to_wait(response: httpx.Response) -> bool:
    """Return whether this answer says "not now, later"."""
    return response.status_code == 429 or (response.status_code == 503 and "Retry-After" in response.headers)


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Return the seconds that Retry-After asks for, counted by the server's own clock where it shows one.

    >>> retry_after_s(httpx.Headers({"Retry-After": "7"}))
    7.0
    >>> date = "Sun, 22 Nov 2026 10:00:00 GMT"
    >>> retry_after_s(httpx.Headers({"Retry-After": date.replace("00:00 ", "00:09 "), "Date": date}))
    9.0
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    if (until := _date(value)) is None:
        return None
    return (until - (_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def refusal(host: str, status: int, said: str) -> ArqsvcError:
    """Return the error that a status means which is no success: SourceUnavailable where a later try may help."""
    if status == 407:
        return _unreachable(host, "the proxy asks for a name and a password")
    words = f" It said: {said}" if said else ""
    if status >= 500 or status in LATER:
        away = SourceAway if status >= 500 else SourceUnavailable
        return away(f"{host} cannot answer now (status {status}).{words}", host=host, status=status, said=said)
    return SourceRefused(f"{host} refused the request (status {status}).{words}", host=host, status=status, said=said)
