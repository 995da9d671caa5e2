"""`python -m tests.flow.jumping FILE`: as `tests.flow.worker`, on a clock that is off by the seconds that FILE says."""

import asyncio
import datetime
import sys
import time
from pathlib import Path
from unittest.mock import patch

import tortoise.fields  # noqa: F401 - it derives from the real class
from pydantic_core import core_schema

REAL = datetime.datetime
real_time_ns = time.time_ns


class AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, REAL)


class JumpingDatetime(datetime.datetime, metaclass=AnyDatetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "JumpingDatetime":
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: object) -> core_schema.CoreSchema:
        return core_schema.datetime_schema()


def main(file: Path) -> None:
    def time_ns() -> int:
        return real_time_ns() + int(file.read_text()) * 10**9

    with (
        patch.object(time, "time_ns", time_ns),
        patch.object(time, "time", lambda: time_ns() / 1e9),
        patch.object(datetime, "datetime", JumpingDatetime),
    ):
        from tests.flow import kinds, worker  # whatever asks for the time is loaded under this clock

        asyncio.run(worker.work(kinds.JOBS))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
