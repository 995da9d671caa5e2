"""One whole service on this machine: the servers it needs, the API in this process, a worker in a child."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from signal import SIGTERM

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from arqsvc.api.app import create_app
from arqsvc.api.connection import Connection, is_ours
from arqsvc.api.keys import KeyKind, create_secret, is_key
from arqsvc.api.sse import HEARTBEAT_S, SEND_S
from arqsvc.cli.running import Instance
from arqsvc.errors import CannotStart, ChildDied
from arqsvc.families import load_params, load_settings
from arqsvc.infra.db import applied_migrations, migrate, own_migrations
from arqsvc.infra.embedded import embedded_postgres, embedded_redis
from arqsvc.infra.guarded import guarded
from arqsvc.infra.http import make_client
from arqsvc.infra.state import hold_state, runtime_folder
from arqsvc.infra.supervise import supervise, task_group
from arqsvc.settings import Settings

logger = logging.getLogger(__name__)

SHUTDOWN_S = 3
"""Seconds that open requests get once the API is told to stop."""
KILL_S = 20.0
MOST_FILES = 65_536
LAST_S = 5.0
"""Seconds for which a request that was given up may still say so and clean up."""


@asynccontextmanager
async def running_instance(
    settings: Settings, insisted: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Instance]:
    """Start the whole service on this state folder; ends it in order, and leaves nothing running.

    Args:
        settings: where and how.
        insisted: returns when a worker that lets its jobs finish is to end at once.

    Raises:
        CannotStart: the state is in use, the port is taken, or a server does not start.
    """
    others = settings.other_families  # what is wrong stops the start here, and not the worker again and again
    load_settings(os.environ, others)
    kinds = load_params(others)
    await (await make_client(settings)).aclose()
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_state(settings.state_dir))
        listening = stack.enter_context(listening_on(settings.host, settings.port))
        settings = await stack.enter_async_context(_servers(settings))
        assert settings.redis_url
        assert settings.database_url
        database_url = settings.database_url.get_secret_value()
        if own_migrations() - await applied_migrations(database_url):
            await migrate(database_url)
        await stack.enter_async_context(_worker(settings, insisted))
        app = create_app(settings, kinds)
        url = await stack.enter_async_context(serving(app, listening, trusted=settings.trusted_proxies))
        before = Instance.of(settings.state_dir)
        instance = Instance(
            url=url,
            api_key=before.api_key if before and await is_key(before.api_key) else
            await create_secret(KeyKind.KEY, project="default", name="command line"),
            redis_url=settings.redis_url.get_secret_value(),
            database_url=database_url,
        )  # fmt: skip
        instance.keep(settings.state_dir)
        yield instance


@asynccontextmanager
async def serving(app: Starlette, listening: socket.socket, *, trusted: str = "") -> AsyncIterator[str]:
    """Serve an application on a socket for the block, once it has started; yields its address.

    Args:
        app: the application.
        listening: where it is reached.
        trusted: proxies that are believed who asks, and by which scheme: addresses and networks, or `*`.

    Raises:
        CannotStart: what the application needs cannot be opened.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=trusted,
        timeout_graceful_shutdown=SHUTDOWN_S,
        http=Connection,
        ws="auto",
        ws_max_size=64 * 1024,
        ws_ping_interval=HEARTBEAT_S,
        ws_ping_timeout=SEND_S,
        ws_per_message_deflate=False,  # its windows take more memory than all else of a stream
    )
    _allow_many_connections()
    logging.getLogger("uvicorn.error").addFilter(is_ours)
    server = _Server(config)
    async with app.router.lifespan_context(app), task_group() as group:
        task = group.create_task(server.serve(sockets=[listening]))
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn sets a flag
            await asyncio.sleep(0.005)
        try:
            yield _address(listening)
        finally:
            server.should_exit = True
            if held := getattr(app.state, "held", None):  # it has streams, which else would be waited for
                held.hub.stop()


def _allow_many_connections() -> None:
    """Let this process open as many files as it may: each stream is one, and 1,024 are what many systems begin with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order; what is given up in the end still has what the application works with."""
        await super().shutdown(sockets)
        if tasks := self.server_state.tasks:
            await asyncio.wait(list(tasks), timeout=LAST_S)


@contextlib.contextmanager
def listening_on(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address for the block.

    Raises:
        CannotStart: it is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, so that asyncio, as uvloop does, sends what is small at once: else a body may wait 40 ms for an ACK
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(2048)
        except OSError as error:
            raise CannotStart(
                f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --host and --port."
            ) from error
        listening.setblocking(False)
        yield listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def _servers(settings: Settings) -> AsyncIterator[Settings]:
    """Start the servers that no URL is set for, at the same time; yields the settings with both URLs.

    Raises:
        CannotStart: one does not start, or ends by itself later.
    """
    embedded = {"redis_url": embedded_redis, "database_url": embedded_postgres}
    wanted = {name: start for name, start in embedded.items() if getattr(settings, name) is None}
    if not wanted:
        yield settings
        return
    with runtime_folder(settings.state_dir, settings.runtime_dir) as runtime:
        async with AsyncExitStack() as stack:
            async with task_group() as starting:
                started = {
                    name: starting.create_task(stack.enter_async_context(start(settings.state_dir, runtime)))
                    for name, start in wanted.items()
                }
            servers = {name: task.result() for name, task in started.items()}
            async with task_group() as watching:
                watches = [watching.create_task(server.died()) for server in servers.values()]
                try:
                    yield settings.model_copy(update={name: SecretStr(each.url) for name, each in servers.items()})
                finally:
                    for watch in watches:
                        watch.cancel()


@asynccontextmanager
async def _worker(settings: Settings, insisted: Callable[[], Awaitable[None]] | None) -> AsyncIterator[None]:
    """Keep a worker of all queues running for the block; it drains before this ends."""
    async with task_group() as group:
        working = group.create_task(supervise("worker", lambda: _run_worker(settings, insisted)))
        try:
            yield
        finally:
            working.cancel()


async def _run_worker(settings: Settings, insisted: Callable[[], Awaitable[None]] | None) -> None:
    """Run a worker of all queues, or as many as are needed, in a child, for as long as it lives."""
    longer_s = settings.cancel_grace_s + KILL_S if settings.worker_bounds else 0.0  # it waits for its workers
    async with guarded(
        [sys.executable, "-m", "arqsvc", "worker"],
        stop_signal=SIGTERM,
        grace_s=settings.drain_s + KILL_S + longer_s,
        env={**os.environ, **settings.environment()},
        insisted=insisted,
    ) as worker:
        code = await worker.wait()
    raise ChildDied(f"The worker ended with exit code {code}; its log says why.", exitcode=code)
