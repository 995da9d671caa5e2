"""Settings: read once, every value checked, no secret shown."""

from pathlib import Path

import pytest

from arqsvc.errors import CannotStart
from arqsvc.settings import Settings


def test_the_environment_is_read_and_the_command_line_wins() -> None:
    settings = Settings.read(
        {"ARQSVC_PORT": "9000", "ARQSVC_HOST": "0.0.0.0", "ARQSVC_LOG_FILE": ""}, host="::1", port=None
    )
    assert (settings.port, settings.host, settings.log_file) == (9000, "::1", None)


def test_state_lies_where_xdg_says_or_in_the_home() -> None:
    assert Settings.read({"XDG_STATE_HOME": "/x"}).state_dir == Path("/x/arqsvc")
    assert Settings.read({"XDG_STATE_HOME": "relative"}).state_dir == Path.home() / ".local/state/arqsvc"
    assert Settings.read({}, state_dir=Path("/y")).storage == Path("/y/storage")


def test_only_our_own_names_are_read() -> None:
    settings = Settings.read({"REDIS_URL": "redis://x", "DATABASE_URL": "postgresql://x/x", "PORT": "1"})
    assert (settings.redis_url, settings.database_url, settings.port) == (None, None, 8000)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ARQSVC_PORT": "70000"}, "ARQSVC_PORT='70000'"),
        ({"ARQSVC_CONCURRENCY": "0"}, "ARQSVC_CONCURRENCY"),
        ({"ARQSVC_LOG_LEVEL": "loud"}, "ARQSVC_LOG_LEVEL"),
        *(({"ARQSVC_AUTOSCALE": wrong}, wrong) for wrong in ("2:1", "0:3", "1:65", "3", "a:b", "1:2:3", "1:", "١:٢")),
        *(({"ARQSVC_TRUSTED_PROXIES": wrong}, wrong) for wrong in ("proxy", "10.0.0.1/8", "10.0.0.1,*")),
        ({"ARQSVC_LEASE_S": "6"}, "ARQSVC_LEASE_S=6 is below three heartbeats of 5 s"),
    ],
)
def test_a_wrong_value_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(CannotStart, match="Wrong setting") as error:
        Settings.read(environ)
    assert said in error.value.detail


def test_workers_have_a_fewest_and_a_most() -> None:
    assert Settings.read({"ARQSVC_AUTOSCALE": "1:8"}).worker_bounds == (1, 8)
    assert Settings.read({"ARQSVC_AUTOSCALE": ""}).worker_bounds is None


def test_a_child_reads_the_same_settings() -> None:
    settings = Settings.read({"ARQSVC_API_KEY": "geheim", "ARQSVC_LEASE_S": "30"}, port=0)
    assert Settings.read(settings.environment()) == settings


def test_a_secret_is_not_shown() -> None:
    settings = Settings.read({"ARQSVC_DATABASE_URL": "postgresql://u:geheim@h/d", "ARQSVC_API_KEY": "geheim"})
    assert "geheim" not in repr(settings)
