"""POST to an address that a caller chose: only to where all the world may go, and to the very address that was checked.

A name is looked up once for a connection, what it stands for is checked, and the connection goes there: a name that
answers otherwise the next time (DNS rebinding) gains nothing. `Host` and the certificate stay those of the name. No
redirect is followed, no proxy of the environment is asked (it would look up the name itself), no cookie kept.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore
import httpx

from arqsvc.errors import AddressRefused, CannotStart, SourceUnavailable
from arqsvc.infra.http_errors import CONNECT_S

LOOKUP_S = 5.0
"""Longest time of looking up a name."""
PASSED_S = 30.0
"""Seconds for which `check` relies on what it has found: a batch names one address a thousand times."""
PASSED = 1000
"""Most hosts of which it remembers that."""
LOOKUPS = 16
"""Most names that are looked up at a time; one receiver takes half of them at most."""
KEPT = 1024
"""Bytes of an answer that are kept."""
READ = 65_536
"""Bytes of an answer that are read, so that the connection can be used again; a longer one is cut off."""
IDLE_S = 20.0
"""Seconds for which an unused connection is kept."""

PRIVATE = tuple(
    map(
        ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1", "fc00::/7")
    )
)
"""What the setting opens."""
METADATA = frozenset(map(ip_address, ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
"""Where clouds hand out the credentials of a host: never, whatever the setting says."""
_NAT64 = ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ip_network("::/96")

_HOST = re.compile(rb"[\w.-]+|\[?[0-9a-fA-F:.]+\]?")

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses that a name stands for; raises OSError."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the other side answered."""

    status: int
    headers: httpx.Headers
    body: bytes
    """The beginning of it."""


def check_url(url: str) -> httpx.URL:
    """Return an address that is whole and simple; what it stands for is not looked up.

    Raises:
        AddressRefused: it is not http or https, names no host, or holds credentials.
    """
    try:
        parsed = httpx.URL(url)
        named = parsed.host  # which is decoded here: `xn--` may stand before what is no name
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"{url[:100]!r} is no address. It must look like https://host/path.") from error
    if parsed.scheme not in {"http", "https"} or not named:
        raise AddressRefused(f"{url[:100]!r} is no address by http or https. It must look like https://host/path.")
    if parsed.userinfo:
        raise AddressRefused(f"The address of {named} holds a name or a password. Leave them out.")
    if not _HOST.fullmatch(parsed.raw_host) or not 0 < _port(parsed) < 65_536:
        raise AddressRefused(f"{named[:100]!r}, port {_port(parsed)}, is no host and port of the internet.")
    return parsed


def is_allowed(address: str, *, private: bool) -> bool:
    """Return whether a request may go to this address.

    >>> [is_allowed(address, private=False) for address in ("93.184.215.14", "10.0.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    >>> [is_allowed(address, private=True) for address in ("10.0.0.1", "::1", "169.254.169.254", "0.0.0.0")]
    [True, True, False, False]
    """
    ip = ip_address(address.partition("%")[0])
    if ip in METADATA:
        return False
    if (inner := _inside(ip)) is not None:
        return is_allowed(str(inner), private=private)
    if any(ip.version == each.version and ip in each for each in PRIVATE):
        return private
    if ip.is_multicast or ip.is_unspecified or ip.is_link_local or ip.is_reserved:
        return False
    if isinstance(ip, IPv6Address) and ip.is_site_local:
        return False
    return ip.is_global


def _inside(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which an IPv6 address leads in the end."""
    if isinstance(ip, IPv4Address):
        return None
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    if ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


async def _allowed(lookup: Lookup, host: str, port: int, *, private: bool) -> Sequence[str]:
    """Return the addresses of a host, all of them allowed."""
    try:
        async with asyncio.timeout(LOOKUP_S):
            found = await lookup(host.strip("[]"), port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise AddressRefused(f"There is no address for the name {host[:100]}. Check it.", host=host[:255]) from error
    for address in found:
        if not is_allowed(address, private=private):
            raise AddressRefused(  # what a name stands for in the operator's network is not the caller's affair
                f"{host[:100]} is or stands for an address that is not public. Name a public host, or let the operator "
                "set ARQSVC_WEBHOOK_PRIVATE=true to allow this host and private networks.",
                host=host[:255],
            )
    return found


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to hosts that are allowed."""

    def __init__(self, private: bool, lookup: Lookup) -> None:
        self._private, self._lookup = private, lookup
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address of the host that takes it."""
        failed: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("it has no address")
        for address in await _allowed(self._lookup, host, port, private=self._private):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class Outward:
    """The client of one process; `open_outward` makes it."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, lookup: Lookup, *, private: bool) -> None:
        self._pool, self._lookup, self._private = pool, lookup, private
        self._passed: dict[tuple[bytes, int], float] = {}

    async def check(self, url: str) -> None:
        """Pass only an address where a request may go, as of 30 s ago at most; `post` checks anew.

        Raises:
            AddressRefused: it is malformed, its name unknown, or one of the addresses that it stands for not allowed.
        """
        parsed = check_url(url)
        place, now = (parsed.raw_host, _port(parsed)), asyncio.get_running_loop().time()
        if self._passed.get(place, 0.0) > now:
            return
        await _allowed(self._lookup, parsed.raw_host.decode(), _port(parsed), private=self._private)
        if len(self._passed) >= PASSED:
            self._passed.clear()
        self._passed[place] = now + PASSED_S

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Heard:
        """Send a body; returns whatever comes back within `timeout_s`, of any status.

        Raises:
            AddressRefused: the address is not allowed, or its name unknown.
            SourceUnavailable: nobody answers, or not in time, or the connection broke.
        """
        parsed = check_url(url)
        whole = {"Host": parsed.netloc.decode(), "Content-Length": str(len(body)), **headers}
        waits = {"connect": CONNECT_S, "read": timeout_s, "write": timeout_s, "pool": timeout_s}
        target = httpcore.URL(
            scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
        )  # fmt: skip
        async with (
            _errors(parsed.netloc.decode(), timeout_s),
            asyncio.timeout(timeout_s),
            self._pool.stream(
                "POST", target, headers=list(whole.items()), content=body, extensions={"timeout": waits}
            ) as answer,
        ):
            got = bytearray()
            async for chunk in answer.aiter_stream():
                got += chunk[: READ - len(got)]
                if len(got) >= READ:
                    break
            return Heard(answer.status, httpx.Headers(answer.headers), bytes(got[:KEPT]))


@asynccontextmanager
async def _errors(host: str, timeout_s: float) -> AsyncIterator[None]:
    """Turn what httpcore raises into SourceUnavailable."""
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise SourceUnavailable(f"{host} did not answer within {timeout_s:g} s.", host=host) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        said = str(error) or type(error).__name__
        raise SourceUnavailable(f"The connection to {host} failed: {said[:200]}.", host=host) from error


@asynccontextmanager
async def open_outward(*, private: bool, at_once: int, lookup: Lookup | None = None) -> AsyncIterator[Outward]:
    """Open a client.

    Args:
        private: whether this host and private networks may be reached.
        at_once: most connections.
        lookup: what looks up names; None for the host's own way, in threads of its own: a name whose server does not
            answer holds up no other work of this process.

    Raises:
        CannotStart: the certificates of the environment cannot be read.
    """
    try:
        tls = await asyncio.to_thread(httpx.create_ssl_context)
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(
            f"The certificates cannot be read: {error}. Correct SSL_CERT_FILE or SSL_CERT_DIR, or unset it."
        ) from error
    threads = ThreadPoolExecutor(LOOKUPS, "lookup")

    async def look_up(host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    looks_up = lookup or look_up
    try:
        async with httpcore.AsyncConnectionPool(
            tls, max_connections=at_once, keepalive_expiry=IDLE_S, network_backend=_Checked(private, looks_up)
        ) as pool:
            yield Outward(pool, looks_up, private=private)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _port(url: httpx.URL) -> int:
    return url.port if url.port is not None else (443 if url.scheme == "https" else 80)
