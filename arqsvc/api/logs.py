"""What the attempts of a job logged: as JSON, as lines of text, or as one JSON object a line."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from arqsvc.api.bodies import query_as
from arqsvc.api.jobs import find_job
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.contract import LogLine, LogPage
from arqsvc.jobs.joblog import LineId, lines_of, shown_at

LEVELS = ("INFO", "WARNING", "ERROR", "CRITICAL")
NDJSON = "application/x-ndjson"


class LogQuery(BaseModel):
    """Which lines of a log are wanted."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    attempt: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Of this attempt alone."""
    after: str | None = None
    """Behind this line: its `id`, or the `next_after` of the answer before."""
    level: Literal["INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Of this level or above."""
    format: Literal["text"] | None = None
    """`text` asks for lines of text, as `Accept: text/plain` does: for a link."""
    limit: int = Field(default=500, ge=1, le=2_000)
    """Most lines."""


@operation(
    "jobs.logs", "GET", "/jobs/{id}/logs", Scope.READ, {200: LogPage}, query=LogQuery, errors=(404,),
    tells={200: ("Link",)}, media=("text/plain", NDJSON),
)  # fmt: skip
async def logs(request: Request, caller: Caller) -> Response:
    """Return what a job logged, attempt by attempt, the oldest line first; lines arrive about a second late.

    `Accept: text/plain` asks for lines of text, `application/x-ndjson` for one object a line; of these, `Link` with
    `rel="next"` leads to what follows. An attempt keeps 2,000 lines and 256 KiB.
    """
    job = await find_job(request, caller)
    query = query_as(LogQuery, request)
    levels = None if query.level == LEVELS[0] else [
        logging.getLevelName(number) for number in range(logging.getLevelName(query.level), 101)
    ]  # fmt: skip
    after = LineId.parse(query.after) if query.after else LineId(0)
    found = await lines_of(job.id, after, attempt=query.attempt, levels=levels, limit=query.limit)
    last = str(LineId(found[-1]["attempt"], found[-1]["n"])) if found else query.after
    accepted = "text/plain" if query.format else request.headers.get("accept", "")
    return _answer(request, found, last, accepted)


def _answer(request: Request, found: Sequence[Mapping[str, Any]], last: str | None, accepted: str) -> Response:
    if NDJSON in accepted:
        answer = Response("".join(f"{_line(row).model_dump_json()}\n" for row in found), media_type=NDJSON)
    elif "text/plain" in accepted:
        answer = PlainTextResponse(
            "".join(f"{shown_at(row['at'])} [{row['attempt']}] {row['level']} {row['message']}\n" for row in found)
        )
    else:
        answer = reply(LogPage(items=list(map(_line, found)), next_after=last))
    answer.headers["Vary"] = "Accept"
    if last:
        url = request.url.include_query_params(after=last)
        answer.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return answer


def _line(row: Mapping[str, Any]) -> LogLine:
    return LogLine(
        id=str(LineId(row["attempt"], row["n"])), attempt=row["attempt"], at=row["at"], level=row["level"],
        message=row["message"],
    )  # fmt: skip


OPERATIONS = (logs,)
