"""Who holds the state, and where its sockets are."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from arqsvc.errors import CannotStart
from arqsvc.infra.state import hold_state, runtime_folder

HOLDER = """
import sys; from pathlib import Path; from arqsvc.infra.state import hold_state
with hold_state(Path(sys.argv[1])): print("held", flush=True); sys.stdin.read()
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name, as `tmp_path` may not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_state_in_use_names_the_folder_its_holder_and_the_next_step_until_the_holder_is_killed(
    tmp_path: Path,
) -> None:
    state = tmp_path / "new" / "state"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CannotStart) as refusal, hold_state(state):
            pass
        holder.kill()
    assert f"{state} is in use by process {holder.pid}. Use another with --state-dir DIR" in refusal.value.detail
    with hold_state(state):
        assert state.stat().st_mode & 0o777 == 0o700
    with hold_state(state):
        pass


def test_a_state_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="file/state cannot be written: Not a directory"):
        hold_state(tmp_path / "file" / "state").__enter__()


def test_sockets_lie_in_xdg_runtime_dir_where_it_is_ours_and_short_and_else_among_temporary_files(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short))
    usable, too_long, missing = short / "x", short / ("x" * 100), short / "missing"
    usable.mkdir()
    too_long.mkdir()
    for xdg, parent in ((usable, usable), (too_long, short), (missing, short), (None, short)):
        with runtime_folder(short / "state", xdg) as folder:
            assert folder.parent == parent
            assert folder.stat().st_mode & 0o777 == 0o700
        assert not folder.exists()


def test_two_states_have_two_folders_and_one_state_the_same_again_without_what_a_killed_run_left(
    tmp_path: Path,
) -> None:
    with runtime_folder(tmp_path / "one", None) as one, runtime_folder(tmp_path / "two", None) as two:
        assert one != two
        (one / "redis.sock").touch()
        with runtime_folder(tmp_path / "one", None) as again:
            assert again == one
            assert not list(again.iterdir())


def test_a_folder_that_others_can_enter_or_that_is_a_link_is_refused(short: Path) -> None:
    with runtime_folder(short, short) as folder:
        pass
    folder.mkdir(mode=0o755)
    with pytest.raises(CannotStart, match="is not ours alone"):
        runtime_folder(short, short).__enter__()
    folder.rename(short / "elsewhere").chmod(0o700)
    folder.symlink_to(short / "elsewhere")
    with pytest.raises(CannotStart, match="is not ours alone"):
        runtime_folder(short, short).__enter__()


def test_a_path_too_long_for_a_socket_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 100)))
    with pytest.raises(CannotStart, match="too long for a socket"):
        runtime_folder(tmp_path, None).__enter__()
