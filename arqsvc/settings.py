"""Settings: every knob, typed, with its unit and default; read once, at the top of a command.

A family has knobs of its own in its `settings.py`, of the same base, so that they are read and refused alike.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from arqsvc.errors import CannotStart

PREFIX = "ARQSVC_"
MOST_AT_ONCE = 64
"""Most jobs that one worker runs at a time in one queue."""
MOST_WORKERS = 64
"""Most worker processes that one `arqsvc worker` keeps."""


class EnvironmentSettings(BaseModel):
    """Each field `name` of a subclass is read from the environment variable `ARQSVC_NAME`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    @classmethod
    def read(cls, environ: Mapping[str, str], **given: Any) -> Self:
        """Return the settings of this environment; what a command line gave (and is not None) wins.

        Raises:
            CannotStart: a value is wrong; names each.
        """
        values = {
            name: environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if environ.get(PREFIX + name.upper(), "") != ""
        }
        values.update({name: value for name, value in given.items() if value is not None})
        try:
            return cls(**{**cls.defaults(environ), **values})
        except ValidationError as error:
            faults = "; ".join(map(cls._fault, error.errors()))
            raise CannotStart(f"Wrong setting: {faults}. Correct the variable or the option.") from error

    @classmethod
    def defaults(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return the defaults that depend on the environment."""
        return {}

    def environment(self) -> dict[str, str]:
        """Return the variables from which a child reads these settings, secrets included."""
        return {
            PREFIX + name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self
            if value is not None
        }

    @classmethod
    def _fault(cls, fault: Any) -> str:
        message = str(fault["msg"]).removeprefix("Value error, ")
        if not fault["loc"]:
            return message
        name = str(fault["loc"][0])
        secret = name in cls.model_fields and SecretStr in get_args(cls.model_fields[name].annotation)
        return f"{PREFIX}{name.upper()}={'(hidden)' if secret else repr(fault['input'])}: {message}"


class Settings(EnvironmentSettings):
    """The settings of the house."""

    state_dir: Path
    """Folder of all that lasts: databases, files, logs, the CLI's key. Default: `$XDG_STATE_HOME/arqsvc`."""

    runtime_dir: Path | None = None
    """Folder in which the private folder of the embedded servers' sockets is made. Default: `$XDG_RUNTIME_DIR`."""

    redis_url: SecretStr | None = None
    """Redis 7 or Valkey to use (`redis://`, `rediss://`, `unix://`). Unset: an embedded Valkey in the state folder."""

    database_url: SecretStr | None = None
    """PostgreSQL to use (`postgresql://`; tested with 18). Unset: an embedded PostgreSQL in the state folder."""

    storage_dir: Path | None = None
    """Folder of file contents, shared by all API and worker processes. Default: `storage` in the state folder."""

    scratch_dir: Path | None = None
    """Folder for the temporary files of running jobs. Default: `scratch` in the state folder."""

    host: str = "127.0.0.1"
    """Address that the API listens on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the API listens on; 0 takes a free one."""

    url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#]+/?$")
    """Base address of the API, for the clients (`arqsvc jobs`). Unset: the instance that holds the state folder."""

    api_key: SecretStr | None = None
    """Key that the clients send. Unset: the key in the state folder."""

    hosts: str = Field(default="", pattern=r"^(\*|([\w.-]+(,|$))*)$")
    """Names by which browsers reach the API beside the machine's own and `ARQSVC_URL`, as `NAME,...`; `*` for any."""

    cors_origins: str = Field(default="", pattern=r"^(https?://[\w.:\[\]-]+(,|$))*$")
    """Sites whose pages may read the API with a key, as `https://NAME,...`. Unset: none but its own."""

    requests_per_minute: int = Field(default=6000, ge=0)
    """Requests a minute of one key that are answered, unless the key says otherwise; 0 for any number."""

    streams_per_key: int = Field(default=1000, ge=0)
    """Event streams that one key may have open at a time, in each process of the API; 0 for any number."""

    trusted_proxies: str = "127.0.0.1"
    """Proxies whose `X-Forwarded-For` and `-Proto` count, as `ADDRESS,NETWORK/16,...`; `*` for whoever connects."""

    audit_days: int = Field(default=400, ge=0)
    """Days for which the audit log is kept; 0 for ever."""

    jobs_per_project: int = Field(default=0, ge=0)
    """Most jobs of one project that have not ended, unless the project has a bound of its own; 0 for any number."""

    files_bytes_per_project: int = Field(default=0, ge=0)
    """Most bytes of files of one project, unless it has a bound of its own; uploads beyond are refused. 0 for any."""

    concurrency: int = Field(default=max(1, min(os.cpu_count() or 1, 8)), ge=1, le=MOST_AT_ONCE)
    """Jobs that one worker runs at a time in each of its queues, at most 64. Default: the number of CPUs, at most 8."""

    child_memory_bytes: int = Field(default=4 * 2**30, ge=64 * 2**20)
    """Memory ceiling of one computation, in bytes of resident memory, children of the child included."""

    upload_limit_bytes: int = Field(default=2 * 2**30, ge=1)
    """Largest file that may be uploaded, in bytes."""

    expanded_limit_bytes: int = Field(default=512 * 2**20, ge=1)
    """Largest text that a file may hold, after decompression, in bytes; an analysis needs about five times as much."""

    heartbeat_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds between the heartbeats of a worker."""

    lease_s: float = Field(default=20.0, gt=0, le=600)
    """Seconds without a heartbeat after which a worker is dead and its jobs go back to their queues."""

    reconcile_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds between two looks for queued jobs that Redis has forgotten and for jobs of dead workers."""

    drain_s: float = Field(default=20.0, ge=0, le=86400)
    """Seconds that running jobs get to finish once a worker is told to stop; then they go back to their queues."""

    cancel_grace_s: float = Field(default=3.0, ge=0, le=60)
    """Seconds that a job gets to clean up once it is cancelled or interrupted; then it is given up."""

    hung_s: float = Field(default=300.0, ge=0)
    """Seconds for which a worker's event loop may be blocked before the worker ends itself; 0 for ever."""

    routes: str = Field(default="", pattern=r"^([\w.*?-]+=[\w.-]+(,|$))*$")
    """Queues of kinds instead of their own, as `PATTERN=QUEUE,...` (`genomes.*=big`); the first that fits counts."""

    queues: str = Field(default="", pattern=r"^([\w.-]+(:\d+)?(,|$))*$")
    """Queues that a worker serves, as `NAME,...`, or `NAME:16,...` for so many jobs at a time. Unset: all."""

    queue_long: int = Field(default=1000, ge=0)
    """Jobs that wait in a queue from which on who submits another is told that it is long; 0 for never."""

    queue_limit: int = Field(default=0, ge=0)
    """Most jobs that wait in a queue; the API refuses more with 503. 0 for any number."""

    families: str = Field(default="", pattern=r"^([A-Za-z_][\w.]*(,|$))*$")
    """Packages of yours that are families of jobs, as `NAME,...`; they are added to ours."""

    stall_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds for which a transfer may stand still, or bring less than 1 KiB a second, before it is taken up anew."""

    webhook_private: bool = False
    """Whether webhooks may go to addresses of this host and of private networks."""

    autoscale: str = ""
    """Fewest and most worker processes that `arqsvc worker` keeps on its host, as `MIN:MAX`. Unset: one, itself."""

    autoscale_wait_s: float = Field(default=5.0, gt=0, le=86400)
    """Seconds for which a job may be queued before another worker starts; the next after that starts as much later."""

    autoscale_idle_s: float = Field(default=60.0, gt=0, le=86400)
    """Seconds for which nothing waits and a worker's worth of slots stands idle before one of the workers stops."""

    autoscale_cpu: float = Field(default=0.9, gt=0, le=1)
    """Fraction of the host's CPU time, 0..1, above which no other worker starts; 1 for whatever is used."""

    metrics: str = Field(default="open", pattern="^(open|key|off)$")
    """Who may read `/metrics`: `open` for all, `key` for who has a key with the scope `read`, `off` for nobody."""

    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """OTLP/HTTP address that spans are sent to. Default: `$OTEL_EXPORTER_OTLP_ENDPOINT`; without one none are made."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severe level that is logged: DEBUG, INFO, WARNING or ERROR."""

    log_file: Path | None = None
    """File that log lines are appended to. Unset: standard error."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _ascii(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().isascii():
            raise ValueError("a key consists of ASCII characters; copy it anew")
        return value

    @field_validator("state_dir", "storage_dir", "scratch_dir", "log_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in _listed(value) if value != "*" else ():
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(
                    f"{one}: is no address or network, such as 10.0.0.0/8, and `*` stands alone"
                ) from error
        return ",".join(_listed(value))

    @field_validator("queues")
    @classmethod
    def _in_bounds(cls, value: str) -> str:
        for one in _listed(value):
            if not 1 <= int(one.partition(":")[2] or 1) <= MOST_AT_ONCE:
                raise ValueError(f"{one}: a queue runs 1 to {MOST_AT_ONCE} jobs at a time")
        return value

    @field_validator("autoscale")
    @classmethod
    def _fewest_and_most(cls, value: str) -> str:
        if value:
            found = re.fullmatch(r"([0-9]{1,3}):([0-9]{1,3})", value)
            if not found or not 1 <= int(found[1]) <= int(found[2]) <= MOST_WORKERS:
                raise ValueError(f"must be MIN:MAX, two whole numbers with 1 <= MIN <= MAX <= {MOST_WORKERS}")
        return value

    @model_validator(mode="after")
    def _outlives_beats(self) -> Self:
        if self.lease_s < 3 * self.heartbeat_s:
            raise ValueError(f"ARQSVC_LEASE_S={self.lease_s:g} is below three heartbeats of {self.heartbeat_s:g} s")
        return self

    @property
    def storage(self) -> Path:
        """Folder of file contents."""
        return self.storage_dir or self.state_dir / "storage"

    @property
    def scratch(self) -> Path:
        """Folder of the temporary files of running jobs."""
        return self.scratch_dir or self.state_dir / "scratch"

    @property
    def routed(self) -> tuple[tuple[str, str], ...]:
        """The routes: pattern and queue."""
        return tuple((pattern, queue) for pattern, _, queue in (one.partition("=") for one in _listed(self.routes)))

    @property
    def host_names(self) -> frozenset[str]:
        """The names of `hosts`, in lower case."""
        return frozenset(name.lower() for name in _listed(self.hosts))

    @property
    def origins(self) -> tuple[str, ...]:
        """The sites whose pages may read the API."""
        return tuple(_listed(self.cors_origins))

    @property
    def served(self) -> dict[str, int]:
        """The queues that a worker serves, with the jobs that it runs at a time in each; empty for all."""
        parts = (one.partition(":") for one in _listed(self.queues))
        return {queue: int(number) if number else self.concurrency for queue, _, number in parts}

    @property
    def worker_bounds(self) -> tuple[int, int] | None:
        """The fewest and the most worker processes that a worker command keeps; None for one, itself."""
        least, _, most = self.autoscale.partition(":")
        return (int(least), int(most)) if most else None

    @property
    def other_families(self) -> tuple[str, ...]:
        """The packages that are families beside ours."""
        return tuple(_listed(self.families))

    @classmethod
    def defaults(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return the defaults that depend on the environment."""
        return {
            "state_dir": _default_state_dir(environ),
            "runtime_dir": environ.get("XDG_RUNTIME_DIR") or None,
            "otlp_endpoint": environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        }


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _default_state_dir(environ: Mapping[str, str]) -> Path:
    base = Path(environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "arqsvc"
