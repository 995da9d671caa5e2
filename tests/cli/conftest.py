"""A user with an empty home."""

from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, for a user with an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)
