"""What a process opens at start and closes at end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from arqsvc.errors import CannotStart
from arqsvc.infra.db import Connections, open_db
from arqsvc.infra.redis import ArqRedis, open_redis
from arqsvc.infra.storage import Storage
from arqsvc.infra.trace import Tracer, open_tracer
from arqsvc.settings import Settings


@dataclass(frozen=True, slots=True)
class Infra:
    """The open connections of one process."""

    settings: Settings
    database_url: str
    database: Connections
    redis: ArqRedis
    storage: Storage
    tracer: Tracer | None
    """None where no spans are to be sent."""


@asynccontextmanager
async def open_infra(settings: Settings) -> AsyncIterator[Infra]:
    """Open the database, Redis and storage.

    Raises:
        CannotStart: one of them is not set, or does not answer.
    """
    if not settings.redis_url or not settings.database_url:
        raise CannotStart(
            "ARQSVC_REDIS_URL and ARQSVC_DATABASE_URL must be set for this command. "
            "`arqsvc up` needs neither: it starts servers of its own."
        )
    database_url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        tracer = await stack.enter_async_context(open_tracer(settings.otlp_endpoint))
        redis = await stack.enter_async_context(open_redis(settings.redis_url.get_secret_value()))
        database = await stack.enter_async_context(open_db(database_url))
        yield Infra(settings, database_url, database, redis, Storage(settings.storage), tracer)
