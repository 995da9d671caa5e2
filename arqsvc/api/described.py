"""What /openapi.json says in words: how to begin, the groups of operations, problems by status, events."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from inspect import cleandoc
from typing import get_args

from pydantic import BaseModel

from arqsvc.api.problems import OF_HTTP, code_of, error_types
from arqsvc.contract import DeletedEvent, EventType, ProgressEvent, StateEvent, WebhookMessage
from arqsvc.errors import (
    ArqsvcError,
    BadSignature,
    CannotStart,
    JobFailed,
    JobsQuota,
    OutOfSpace,
    QueueFull,
    RateLimited,
    Rejected,
    Retryable,
    SourceUnavailable,
)

INTRODUCTION = """
A job is a kind, parameters and a result. Submit it, follow it, fetch what it made.

## Begin

1. Get a key: `arqsvc keys create --name NAME` prints one. Send it as `Authorization: Bearer KEY`, or as `X-API-Key`.
2. See what can be done: `GET /api/v1/kinds`.
3. Submit a job: `POST /api/v1/jobs/{kind}` with `{"params": {...}}`. The answer is 202 with the job, its address in
   `Location`. What is wrong with the parameters is said at once, with 422; what is accepted is not lost any more.
4. Follow it: `GET /api/v1/jobs/{id}/events` streams each change and its progress, or ask `GET /api/v1/jobs/{id}` from
   time to time, until `state` is `succeeded`, `failed` or `cancelled`.
5. Read `result`, and fetch each of `files` by its `href`.

```sh
curl -sS -X POST "$ARQSVC/api/v1/jobs/genomes.analyze" -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" -d '{"params": {"accession": "NC_000932.1"}}'
curl -sSN "$ARQSVC/api/v1/jobs/$ID/events" -H "Authorization: Bearer $KEY"
```

## Conventions

Bodies are JSON, and say so in `Content-Type`; files go as they are. Times are RFC 3339 in UTC, ids are UUIDs that sort
by time, and a name says its unit: `timeout_s`, `size_bytes`. Fractions are 0..1. Members may be added to answers later:
leave aside those that you do not know. In a request, members and query parameters that nobody knows are refused, so
that a slip of the pen is not taken for a wish.

## States

`blocked` (waits for other jobs, or for a limit) → `scheduled` (for a time) → `queued` → `running` → `succeeded`,
`failed` or `cancelled`. `reason` says why it is there. A failed attempt goes back to `scheduled` while tries are left;
a worker that dies costs no try.

## Errors

An error is a problem document (RFC 9457), `application/problem+json`: `code` is a stable word for a program, `detail`
tells a person the value, the limit and the next step, `errors` lists each fault of a request with a JSON Pointer.
`type` leads to a page about it, at IANA for `rate_limited`, and is `about:blank` where the status says all. A job that
has failed holds the same in `error`. 429 and 503 carry `Retry-After`; `RateLimit` says with every answer what a key has
left of its requests.

These codes answer requests; 405, 421 and 500 may come from any path:

{codes of requests}

And these stand in the `error` of a job or of an attempt:

{codes of jobs}

## Keys and scopes

A key belongs to a project, and sees the jobs and files of that project alone: those of another are 404. It has scopes:
`read`, `submit`, `cancel`, `operate` and `admin`, which includes the others. Each operation says which it needs; 403
says which are missing.

## Lists

Lists come in pages, the newest first: `next_cursor` of one page is `cursor` of the next, and null on the last. Nothing
is left out or told twice while rows arrive.

## Sending again

A submission whose answer was lost may be sent again with the same `Idempotency-Key`, a text of your own such as a UUID:
the same body gets the first answer again, another body is refused with 422, and one that is still being answered with
409. Other changes may be sent again as they are: cancelling what is cancelled tells its state.

## Events

Server-Sent Events and WebSocket carry the same messages, `{id, type, job_id, kind, queue, tags, ts, cursor, data}`, at
the same addresses: of one job at `/jobs/{id}/events`, of all that fit a filter at `/events`, in one order. After a cut,
go on from the last id with `Last-Event-ID` (browsers do so by themselves) or `?after=`: nothing is left out and nothing
comes twice. The end of a job ends its stream, a WebSocket with the code 1000. `webhooks` below describes each type of
message.

A stream of `/events` says with `hello` where it begins. Where what came behind its cursor is not kept any more, or is
more than 10,000 changes, it begins with `reset`: how many jobs are in each state, counted up to 10,000, and the newest
500 that have not ended. That a job was deleted is told there with `deleted`, as it happens and once: a list that was
cut off is read anew. A silent stream sends a comment, or a ping, each 15 s. A reader that does not read is cut off,
with an event `cut` or the code 1013, and the last id; it goes on behind that.

One WebSocket at `/events` follows many jobs. It is told `{"follow": {"jobs": {"ID": "AFTER"}}}` (an empty text begins
at the beginning), `{"unfollow": ["ID"]}`, `{"filter": {"kind": "genomes.*"}, "after": "CURSOR"}`, and
`{"filter": null}` for an end of that. What is wrong with a message is answered by one of type `error` with a problem
document.

A page that cannot send a header makes a ticket, `POST /tickets`, and opens one stream with `?ticket=` within a
minute. A key in a URL is refused.
""".strip()

TAGS: Mapping[str, str] = {
    "kinds": "What kinds of jobs there are, and what each takes and gives.",
    "jobs": "Submit jobs, follow them, cancel them, try them again.",
    "events": "What happens to jobs, as it happens.",
    "files": "Files that jobs read and files that they made.",
    "queues": "Where jobs wait. A queue is shared by all projects.",
    "tasks": "The same jobs, for front ends that were written for a Celery service.",
    "workers": "The processes that do jobs.",
    "scaling": "How many workers there should be, for what starts and stops them.",
    "webhooks": "Addresses that are told what happens to jobs.",
    "deliveries": "What was sent to them, and what came of it.",
    "keys": "Keys, and what each may do.",
    "projects": "What jobs, files and keys belong to, and how much of it a project may have.",
    "session": "How a browser is let in.",
    "audit": "Who did what.",
    "health": "Whether the service works; for load balancers and monitors. These need no key.",
}
"""Groups of operations, by the first part of their names, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message that the service sends."""

    name: str
    message: type[BaseModel]
    said: str = ""
    """When it is sent, where the message's own words do not say it."""

    @property
    def doc(self) -> str:
        """When it is sent, and what it says."""
        return self.said or cleandoc(self.message.__doc__ or "")


SIGNED = (
    "Sent to the webhooks that want it, as Standard Webhooks has it: the headers `webhook-id`, `webhook-timestamp` and "
    "`webhook-signature` tell that it is ours. Answer 2xx; anything else is tried again."
)
WEBHOOKS = (
    Webhook("state", StateEvent),
    Webhook("progress", ProgressEvent),
    Webhook("deleted", DeletedEvent),
    *(
        Webhook(name, WebhookMessage, f"A job is now {name.partition('.')[2]}.\n\n{SIGNED}")
        for name in get_args(EventType)
    ),
)
"""All messages: those of event streams, and those that go to webhooks."""


def introduction() -> str:
    """Return how to begin, and what holds for all operations."""
    said = {
        "codes of requests": "\n".join(each.line for each in codes_of_requests()),
        "codes of jobs": "\n".join(each.line for each in codes_of_jobs()),
    }
    return re.sub("{(codes of [a-z]+)}", lambda found: said[found[1]], INTRODUCTION)


def title(status: int) -> str:
    """Return what a status says, in the words of HTTP."""
    return f"{HTTPStatus(status).phrase}."


@dataclass(frozen=True, slots=True)
class Code:
    """What a problem says to a program, and what that means."""

    code: str
    status: int
    meaning: str

    @property
    def line(self) -> str:
        """It as an item of a list."""
        return f"- `{self.code}` ({self.status}): {self.meaning}"


NOT_TOLD = (CannotStart, BadSignature)
"""Errors of commands and of receivers of webhooks, which no answer holds."""
OF_REQUESTS_ALONE = (RateLimited, JobsQuota, QueueFull)
OF_REQUESTS = (Rejected, SourceUnavailable, OutOfSpace, *OF_REQUESTS_ALONE)


def codes_of_requests() -> Sequence[Code]:
    """Return the codes of the problems that requests are answered with, by their statuses."""
    told = [Code(error.code, error.status, _said(error)) for error in _told() if issubclass(error, OF_REQUESTS)]
    bare = [Code(code_of(status), status, said) for status, said in OF_HTTP.items()]
    return sorted(_each_once([*told, *bare, _internal()]), key=lambda each: each.status)


def codes_of_jobs() -> Sequence[Code]:
    """Return the codes of the problems for which jobs and attempts fail."""
    told = [
        Code(error.code, error.status, _said(error))
        for error in _told()
        if issubclass(error, (JobFailed, Retryable)) and not issubclass(error, OF_REQUESTS_ALONE)
    ]
    return _each_once([*told, _internal()])


def _told() -> Iterator[type[ArqsvcError]]:
    """Yield the errors that answers may hold."""
    return (error for error in error_types() if not issubclass(error, NOT_TOLD))


def _internal() -> Code:
    return Code(ArqsvcError.code, ArqsvcError.status, "A fault of ours; the operator finds the cause in the log.")


def _each_once(codes: Iterable[Code]) -> list[Code]:
    """Return each code once: an error below another may share its code."""
    found = dict[str, Code]()
    for each in codes:
        found.setdefault(each.code, each)
    return list(found.values())


def _said(error: type[ArqsvcError]) -> str:
    return " ".join(cleandoc(error.__doc__ or "").partition("\n\n")[0].split())
