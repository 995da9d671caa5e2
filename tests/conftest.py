"""What every test may use."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("ARQSVC_TEST_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what reads the shared data where that folder is absent."""
    if SHARED_DATA.is_dir():
        return
    absent = [item for item in items if item.get_closest_marker("shared_data")]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if not item.get_closest_marker("shared_data")]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and truth; the test carries the marker `shared_data`."""
    return SHARED_DATA
