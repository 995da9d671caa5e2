"""A pool that is looked after."""

import gc
from collections.abc import AsyncIterator

import psutil
import pytest

from arqsvc.infra.pool import Pool


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
