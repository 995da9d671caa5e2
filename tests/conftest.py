"""What every test may use."""

import gc
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aerich  # noqa: F401 - loaded here, and not on the event loop of the first test that migrates
import pytest

from arqsvc.infra.db import migrate
from arqsvc.settings import Settings
from tests import servers
from tests.cli.program import Program
from tests.service import Service, open_service

SHARED_DATA = Path(os.environ.get("ARQSVC_TEST_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")
LONGEST_CALLBACK_S = 0.5


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs the shared data, programs of Debian or a registry, where absent; `.ci/run` has them all."""

    def runs(item: pytest.Item) -> bool:
        debian = item.get_closest_marker("debian")
        return (
            (SHARED_DATA.is_dir() or not item.get_closest_marker("shared_data"))
            and (debian is None or all(map(shutil.which, debian.args)))
            and ("ARQSVC_TEST_REGISTRY" in os.environ or not item.get_closest_marker("registry"))
        )

    if absent := [item for item in items if not runs(item)]:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if runs(item)]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: packed ones hold the time, and two processes must collect the same names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the collector from looking through all that is loaded, again and again, as programs of ours do."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and truth; the test carries the marker `shared_data`."""
    return SHARED_DATA


@pytest.fixture(autouse=True)
def quick_callbacks() -> Iterator[None]:
    """Fail a test whose event loop was held up for longer than 0.5 s, beside the time that it waited for a CPU."""
    slow: list[str] = []
    waited_s = _waited_s()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            took = re.search(r"took (\d+\.\d+) seconds", record.getMessage())
            if took and float(took[1]) - (_waited_s() - waited_s) > LONGEST_CALLBACK_S:
                slow.append(record.getMessage())

    listener = Listener()
    logging.getLogger("asyncio").addHandler(listener)
    yield
    logging.getLogger("asyncio").removeHandler(listener)
    assert not slow, slow


def _waited_s() -> float:
    """Return for how many seconds this thread was ready to run while others had the CPUs; 0 where nobody says."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of the suite's own."""
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


_templates: dict[str, str] = {}


@pytest.fixture
async def empty_database_url(postgres_url: str) -> str:
    """A fresh empty database."""
    return await servers.new_database(postgres_url)


@pytest.fixture
async def database_url(postgres_url: str) -> str:
    """A fresh database with the current schema, copied from one that was migrated once."""
    if postgres_url not in _templates:
        template = await servers.new_database(postgres_url)
        await migrate(template)
        _templates[postgres_url] = template.partition("?")[0].rpartition("/")[2]
    return await servers.new_database(postgres_url, _templates[postgres_url])


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    """A fresh Valkey."""
    async with servers.redis(tmp_path / "redis-state") as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, database_url: str) -> Settings:
    """Settings on fresh servers and folders, with short waits."""
    return Settings.read(
        {},
        state_dir=tmp_path / "state",
        redis_url=redis_url,
        database_url=database_url,
        concurrency=4,
        heartbeat_s=0.5,
        lease_s=2.0,
        reconcile_s=0.5,
        drain_s=5.0,
        port=0,
        upload_limit_bytes=20_000_000,
    )


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Service]:
    """The API without a worker."""
    async with open_service(settings) as service:
        yield service


@pytest.fixture
async def service(api: Service) -> AsyncIterator[Service]:
    """The API with a worker that serves the queue `test`."""
    async with servers.worker_process(api.settings):
        yield api


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, for a user with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)
