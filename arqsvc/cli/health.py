"""`arqsvc health`: whether the service is ready, or a worker of this host beats; for containers and their kind."""

import socket

import asyncpg
import click
import httpx

from arqsvc.cli.running import Instance
from arqsvc.errors import CannotStart
from arqsvc.infra.db import connect
from arqsvc.settings import Settings

WAIT_S = 8.0
"""Longest wait for an answer; `/readyz` itself waits for the database and then for Redis, 2 s each."""


async def service_health(settings: Settings) -> int:
    """Ask `/readyz` of the service; print what it says, and return 0 or 1."""
    url = f"{_address(settings)}/readyz"
    try:
        async with httpx.AsyncClient(trust_env=settings.url is not None, timeout=WAIT_S) as http:
            answer = await http.get(url)
    except httpx.TransportError as error:
        click.echo(f"{url} does not answer: {type(error).__name__}.")
        return 1
    click.echo(answer.text)
    return 0 if answer.is_success else 1


def _address(settings: Settings) -> str:
    """Return ARQSVC_URL, or ARQSVC_PORT on this host; where neither is set, the instance of the state folder."""
    instance = None if "port" in settings.model_fields_set else Instance.of(settings.state_dir)
    return (settings.url or (instance.url if instance else f"http://127.0.0.1:{settings.port}")).rstrip("/")


async def worker_health(settings: Settings) -> int:
    """Look for a worker of this host whose heartbeat is younger than ARQSVC_LEASE_S; print it, and return 0 or 1."""
    host = socket.gethostname()
    if not settings.database_url:
        click.echo("ARQSVC_DATABASE_URL is not set; the heartbeats of workers are kept there.")
        return 1
    try:
        connection = await connect(settings.database_url.get_secret_value(), timeout_s=WAIT_S)
        try:
            alive = await connection.fetchval(
                "SELECT count(*) FROM worker WHERE host = $1 AND heartbeat_at > now() - make_interval(secs => $2)",
                *(host, settings.lease_s),
                timeout=WAIT_S,
            )
        finally:
            connection.terminate()
    except CannotStart as error:
        click.echo(error.detail)
        return 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        click.echo(f"PostgreSQL does not say which workers live: {type(error).__name__}.")
        return 1
    click.echo(f"{alive} worker(s) of {host} with a heartbeat within {settings.lease_s:g} s.")
    return 0 if alive else 1
