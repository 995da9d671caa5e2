"""Which pages of a browser may do what: the names that the service goes by, forged requests, and other origins (CORS).

A key in a header needs none of this: no page can send one that it was not given.
"""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from arqsvc.api.headers import HEADERS
from arqsvc.errors import Forbidden, Misdirected
from arqsvc.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ANY = "*"
SENT = ["Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID",
        "Prefer", "Range"]  # fmt: skip


class Sites:
    """The names of this service, and what pages of others may not do."""

    def __init__(self, settings: Settings) -> None:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        named = urlsplit(settings.url or "").hostname or machine
        self._names = {"localhost", machine, short, f"{short}.local", settings.host.lower(), named}
        self._names |= settings.host_names

    def check_host(self, connection: HTTPConnection) -> None:
        """Refuse a browser that was led here under a name that is not ours, which may be another's tomorrow.

        An address in numbers is nobody's to lead elsewhere.

        Raises:
            Misdirected: the `Host` is none of our names.
        """
        said = connection.headers.get("host", "")
        name = _host_name(said)
        if ANY in self._names or name in self._names or name.endswith(".localhost") or _is_address(name):
            return
        raise Misdirected(
            f"This service does not go by the name {said[:100]!r}. Use its address, or have ARQSVC_HOSTS name it."
        )

    def check_page(self, connection: HTTPConnection) -> None:
        """Let a cookie change something, or open a WebSocket, only for our own pages.

        Raises:
            Forbidden: a page of another site makes the browser send this, or nobody says which does.
            Misdirected: it was sent to another name.
        """
        self.check_host(connection)
        if connection.scope["type"] == "http" and connection.scope["method"] in SAFE_METHODS:
            return
        if _from_elsewhere(connection, if_unsaid=True):
            raise Forbidden("A page of another site may not act with this session. Use an API key.")

    def check_login(self, connection: HTTPConnection) -> None:
        """Refuse a page of another site that would log somebody in here; a program that is no browser says no site.

        Raises:
            Forbidden: a page of another site makes the browser send this.
            Misdirected: it was sent to another name.
        """
        self.check_host(connection)
        if _from_elsewhere(connection, if_unsaid=False):
            raise Forbidden("A page of another site may not log you in here. Open the link itself.")


def cors(settings: Settings) -> list[Middleware]:
    """Return what opens the API to the pages of some origins, which bring a key; cookies are never for them."""
    if not settings.origins:
        return []
    return [
        Middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_credentials=False, allow_headers=SENT,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], expose_headers=list(HEADERS), max_age=600,
        )
    ]  # fmt: skip


def _from_elsewhere(connection: HTTPConnection, *, if_unsaid: bool) -> bool:
    """Whether another site's page sent this; by `Origin` where a browser of plain HTTP says no `Sec-Fetch-Site`."""
    if site := connection.headers.get("sec-fetch-site"):
        return site != "same-origin"
    if origin := connection.headers.get("origin"):
        try:
            return urlsplit(origin).netloc != connection.headers.get("host")
        except ValueError:
            return True
    return if_unsaid


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets; nothing if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
