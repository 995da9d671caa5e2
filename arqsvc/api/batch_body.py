"""The body of a batch, read piece by piece: up to 16 MiB of JSON, and the event loop is not held up by it."""

import json
import re
import time
from asyncio import sleep
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from arqsvc.api.bodies import BODY_LIMIT_BYTES, DECODER, check_storable
from arqsvc.api.problems import fault
from arqsvc.api.submissions import Submission
from arqsvc.errors import TooLarge

LIMIT_BYTES = 16 * 1024 * 1024
MOST_JOBS = 10_000
SLICE_S = 0.004
"""Seconds of work after which others have their turn."""
WINDOW = 128 * 1024
"""Characters that are looked at together; of a value that does not end in them, as many as it may have."""
_CUT = 16
"""Characters at the end of a piece in which what is cut off there may look whole, or wrong: a number, an escape."""
_SPACE = re.compile(r"[ \t\n\r]*")


class BatchSubmission(Submission):
    """One job of a batch."""

    kind: str


class BatchOfJobs(BaseModel):
    """The body of `POST /jobs`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    jobs: list[BatchSubmission] = Field(min_length=1, max_length=MOST_JOBS)
    atomic: bool = False
    """Whether one that cannot be submitted stops the others: all are submitted, or none."""


@dataclass(slots=True)
class GivenBatch:
    """A batch as it was sent; its jobs are not yet looked at."""

    jobs: list[tuple[Any, int]] = field(default_factory=list)
    """Each as a value of JSON, with the characters that it took."""
    atomic: bool = False


class Turns:
    """Lets others have their turn between the pieces of a long work."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def take(self) -> None:
        """Go on at once, or after the others if it is their turn."""
        if time.monotonic() - self._since > SLICE_S:
            await sleep(0)
            self._since = time.monotonic()


async def read_batch(body: bytes, turns: Turns) -> GivenBatch:
    """Return the batch that a body holds.

    Raises:
        InvalidParams: it is no JSON object of `jobs` and `atomic`, or has no jobs, or too many.
        TooLarge: one of the jobs is over the limit of a submission.
    """
    batch = GivenBatch()
    try:
        for name, value, length in _members(body.decode()):
            await turns.take()
            if name == "jobs" and length:
                if len(batch.jobs) == MOST_JOBS:
                    raise fault("/jobs", f"a batch has 1 to {MOST_JOBS:,} jobs; this has more")
                batch.jobs.append((value, length))
            elif name == "atomic" and isinstance(value, bool):
                batch.atomic = value
            else:
                check_storable(name)
                known = {"jobs": "must be an array", "atomic": "must be true or false"}
                raise fault(f"/{name[:64]}", known.get(name, "is no member of a batch"))
    except (ValueError, RecursionError) as error:
        raise fault("", f"the body is not JSON: {error}") from error
    if not batch.jobs:
        raise fault("/jobs", f"a batch has 1 to {MOST_JOBS:,} jobs; this has none")
    return batch


def _members(text: str) -> Iterator[tuple[str, Any, int]]:
    """Yield the members of an object as name, value and 0; but of `jobs` each element, with the length of its text.

    Raises:
        ValueError: the text is no object of JSON, or has a member twice.
        TooLarge: a value is longer than a submission may be.
    """
    reader, seen = _Reader(text), set[str]()
    reader.take("{")
    more = not reader.goes_on_with("}")
    while more:
        name, _ = reader.value()
        if not isinstance(name, str) or name in seen:
            raise ValueError(f"a name that stands there once was expected before character {reader.at}")
        seen.add(name)
        reader.take(":")
        if name == "jobs" and reader.goes_on_with("["):
            more = not reader.goes_on_with("]")
            while more:
                value, length = reader.value()
                yield name, value, length
                more = reader.take(",]") == ","
        else:
            yield name, reader.value()[0], 0
        more = reader.take(",}") == ","
    reader.end()


class _Reader:
    """Reads JSON piece by piece."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self._window, self._begins = text[:WINDOW], 0

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        assert space
        self.at = space.end()

    def take(self, characters: str) -> str:
        """Read one of these characters."""
        self._skip()
        found = self.text[self.at : self.at + 1]
        if not found or found not in characters:
            raise ValueError(f"one of {' '.join(characters)} was expected at character {self.at}")
        self.at += 1
        return found

    def goes_on_with(self, character: str) -> bool:
        """Read this character, if it comes next."""
        self._skip()
        there = self.text.startswith(character, self.at)
        self.at += there
        return there

    def value(self) -> tuple[Any, int]:
        """Read one value; returns it and the length of its text.

        Raises:
            TooLarge: it is longer than a submission may be; it is not read any further.
        """
        self._skip()
        start = self.at
        if not self._begins <= start <= self._begins + WINDOW // 2:
            self._begins, self._window = start, self.text[start : start + WINDOW]
        found = self._in(self._window, self._begins)
        if found is None:
            found = self._in(self.text[start : start + BODY_LIMIT_BYTES + _CUT], start)
        if found is None or found[1] > BODY_LIMIT_BYTES:
            raise TooLarge(
                f"What begins at character {start:,} of the batch is longer than a submission may be: "
                f"{BODY_LIMIT_BYTES:,} characters. Nothing was submitted. Send data as a file.",
                limit_bytes=BODY_LIMIT_BYTES,
            )
        self.at += found[1]
        return found

    def _in(self, piece: str, begins: int) -> tuple[Any, int] | None:
        """Read the next value in a piece of the text; None if it goes on behind that."""
        start, sure = self.at - begins, len(piece)
        if begins + len(piece) < len(self.text):
            sure -= _CUT
        try:
            value, end = DECODER.raw_decode(piece, start)
        except json.JSONDecodeError as error:
            cut = sure < len(piece) and (error.pos > sure or error.msg.startswith("Unterminated string"))
            if not cut:
                raise json.JSONDecodeError(error.msg, self.text, begins + error.pos) from None
            return None
        return (value, end - start) if end <= sure else None

    def end(self) -> None:
        """Read what may stand behind the value: space."""
        self._skip()
        if self.at < len(self.text):
            raise ValueError(f"nothing more was expected at character {self.at}")
