"""The events of a job, taken up where a connection broke."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from arqsvc.client.answers import Away, NotNow, Patience, StreamFault, check, unreachable

FINAL = frozenset({"succeeded", "failed", "cancelled"})
STREAM = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


async def follow(http: httpx.AsyncClient, path: str, away: Away = lambda left_s: None) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a job until its final state.

    Args:
        http: the API.
        path: where they are.
        away: see `Patience`.

    Raises:
        ApiError: the API refused; 404 where the job was deleted meanwhile.
        Unreachable: it has not answered for a minute.
    """
    last, state, patience = "", "", Patience(takes_turns=True, away=away)
    while True:
        try:
            headers = {**STREAM, "Last-Event-ID": last} if last else STREAM
            async with http.stream("GET", path, headers=headers) as answer:
                await check(answer)
                async for event in events_in(answer):
                    patience.heard()
                    if event is not None:
                        last, told = event
                        if told["type"] in {"cut", "error"}:  # it goes on behind the last, or is told why not
                            continue
                        state = told["data"].get("state", state)
                        yield told
                if state in FINAL or answer.status_code == 204:
                    return
            raise NotNow(f"The stream {path} ended before the job.")
        except NotNow as error:
            await patience.after(error)
        except (httpx.TransportError, StreamFault) as error:
            await patience.after(unreachable(str(http.base_url), error))


async def events_in(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
    """Yield the id and the data of each event of a stream (WHATWG HTML, section 9.2), and None for a sign of life.

    Raises:
        StreamFault: it is no stream of JSON events.
    """
    if answer.status_code == 204:
        return
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        raise StreamFault(f"{answer.request.url.path} was answered with {answer.headers.get('content-type')!r}")
    last, data = "", list[str]()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            last = value
        elif not line and data:
            try:
                yield last, json.loads("\n".join(data))
            except ValueError as error:
                raise StreamFault(f"an event is not JSON: {error}") from error
            data = []
        elif line.startswith(":"):
            yield None
