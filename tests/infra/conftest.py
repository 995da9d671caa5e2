"""A pool that is looked after; a source on loopback, a client for it, and a place for what it sends."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from arqsvc.infra.http import Http
from arqsvc.infra.pool import Pool
from tests.infra.loopback import Loopback, client, loopback


def mine() -> set[psutil.Process]:
    """Every process below this one, but for the suite's PostgreSQL, whose helpers come and go."""
    return {child for child in psutil.Process().children(recursive=True) if child.name() != "postgres"}


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A pool of two, which leaves neither process nor descriptor behind."""
    gc.collect()
    processes, descriptors = mine(), psutil.Process().num_fds()
    async with Pool(size=2, warm=1) as pool:
        yield pool
    assert mine() <= processes
    assert psutil.Process().num_fds() == descriptors


@pytest.fixture
async def source() -> AsyncIterator[Loopback]:
    """A server whose answers the test sets."""
    async with loopback() as source:
        yield source


@pytest.fixture
async def http(tmp_path: Path, redis_url: str) -> AsyncIterator[Http]:
    """The client of a process."""
    async with client(tmp_path, redis_url) as http:
        yield http


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """Where a download grows, in a folder of its own."""
    folder = tmp_path / "partial"
    folder.mkdir()
    return folder / "file"
