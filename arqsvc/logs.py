"""One JSON object per line; `job_id` and `attempt` are bound to every record of a running job."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arqsvc.errors import CannotStart

_bound: ContextVar[dict[str, Any] | None] = ContextVar("arqsvc_log_facts", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def bind(**facts: Any) -> None:
    """Add these facts to every record logged from now on in this task and the tasks it starts."""
    _bound.set({**(_bound.get() or {}), **facts})


def extras(record: logging.LogRecord) -> list[str]:
    """Return the facts in a record's `extra`, each as `name=value`."""
    return [f"{name}={value}" for name, value in vars(record).items() if name not in _STANDARD]


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, the bound facts and those in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_bound.get() or {}),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        elif record.exc_text:  # of what was raised in a child process
            line["traceback"] = record.exc_text
        return json.dumps(line, default=str, ensure_ascii=False)


def log_to(level: str, file: Path | None) -> None:
    """Send all records from `level` on to `file`, or to standard error; replaces what was set before.

    Raises:
        CannotStart: the file cannot be written.
    """
    try:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CannotStart(
            f"The log file {file} cannot be written: {error.strerror}. Choose another with --log-file, "
            "or another folder with --state-dir."
        ) from error
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("arq", "uvicorn.access", "httpx", "httpcore", "matplotlib", "fontTools", "tortoise"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # who sends a bad form is told
    logging.getLogger("uvicorn.error").setLevel(max(logging.getLevelName(level), logging.WARNING))
