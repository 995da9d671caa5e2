"""The database that a command uses: the one that is set, or the one of the instance that holds the state folder."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from arqsvc.cli.running import Instance
from arqsvc.errors import CannotStart
from arqsvc.infra.db import open_db
from arqsvc.settings import Settings


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[None]:
    """Open ARQSVC_DATABASE_URL, or the database of the instance that holds the state folder, for the block.

    Raises:
        CannotStart: neither is there, or it does not answer.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(open_db(database_url(settings)))
        except CannotStart as error:
            if settings.database_url:
                raise
            raise CannotStart(f"No service runs on the state folder {settings.state_dir}. {_START}") from error
        yield


def database_url(settings: Settings) -> str:
    """Return the address of the database that a command uses.

    Raises:
        CannotStart: neither is there.
    """
    if settings.database_url:
        return settings.database_url.get_secret_value()
    if instance := Instance.of(settings.state_dir):
        return instance.database_url
    raise CannotStart(f"No service was started on the state folder {settings.state_dir}. {_START}")


_START = "Start `arqsvc up` first, or set ARQSVC_DATABASE_URL."
