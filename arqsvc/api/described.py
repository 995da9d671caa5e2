"""What /openapi.json says in words: how to begin, the groups of operations, problems by status, events."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from inspect import cleandoc
from typing import get_args

from pydantic import BaseModel

from arqsvc.api.operation import MAY_KEEP, Operation
from arqsvc.api.problems import OF_HTTP, code_of, error_types
from arqsvc.contract import EventType, WebhookMessage, WebhookPing
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
from arqsvc.webhooks import PREFIX, SCHEME, TOLERANCE_S

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

A POST or PATCH whose answer was lost may be sent again for a day with the same `Idempotency-Key`, a text of your own
such as a UUID: the same body gets the first answer again, with `Idempotent-Replayed`; another body is refused with 422,
and one that is still being answered with 409.

These take no such key, since their answer holds a secret or their body is a file, and refuse it with 422:

{no key}

`POST /webhooks` and the rotation of a key are refused with 409 the second time, which names what the first one made,
and a one-time link opens no second session; of the others the second makes another. What was made by an answer that was
lost is found in its list, and deleted there.

PUT and DELETE, and what only sets something, may be sent again as they are; of what is deleted the second is told 404,
and who cancels what was cancelled 409 with its `state`. Without a key, a submission or a rerun that is sent again is
another job, unless `dedupe` says what it is the same work as, and a ping or a redelivery is sent twice.

## Events

Server-Sent Events and WebSocket carry the same messages, `{id, type, job_id, kind, queue, tags, ts, cursor, data}`, at
the same addresses: of one job at `/jobs/{id}/events`, of all that fit a filter at `/events`, in one order. The schema
`StreamEvent` describes each type. After a cut, go on from the last id with `Last-Event-ID` (browsers do so by
themselves) or `?after=`: nothing is left out and nothing comes twice.

The stream of a job ends behind its final state, a WebSocket with the code 1000; who comes back then is told 204. A
stream that ends otherwise, and with no event that says why (`cut`, `error`), has lost its server, which stops or starts
anew; so has a WebSocket that is closed with 1012. Connect again with the last id.

A stream of `/events` says with `hello` where it begins. Where what came behind its cursor is not kept any more, or is
more than 10,000 changes, it begins with `reset`: how many jobs are in each state, counted up to 10,000, and the newest
500 that have not ended. That a job was deleted is told there with `deleted`, as it happens and once: a list that was
cut off is read anew. A silent stream sends a comment, a WebSocket a ping of its protocol, each 15 s. A reader that does
not read is cut off, with an event `cut` or the code 1013, and the last id; it goes on behind that.

One WebSocket at `/events` follows many jobs. It is told `{"follow": {"jobs": {"ID": "AFTER"}}}` (an empty text begins
at the beginning), `{"unfollow": ["ID"]}`, `{"filter": {"kind": "genomes.*"}, "after": "CURSOR"}`, and
`{"filter": null}` for an end of that. What is wrong with a message is answered by one of type `error` with a problem
document.

A page that cannot send a header makes a ticket, `POST /tickets`, and opens one stream with `?ticket=` within a
minute. A key in a URL is refused.

## Webhooks

`POST /webhooks` has an address told what happens to the jobs of the project, and `webhook` in a submission what happens
to that job. `webhooks` below describes what is sent. The address must be a public one, unless the operator allows
private networks (`ARQSVC_WEBHOOK_PRIVATE=true`); no redirect is followed. Anything but 2xx within 15 s is tried again,
ten times in three days; 410 disables a webhook. Messages come at least once and in any order: keep `webhook-id`, which
is the same at each try, and compare `data.seq`.

Each is signed as Standard Webhooks has it. `webhook-id` and `webhook-timestamp`, in seconds since 1970, are headers;
what is signed is the text `{webhook-id}.{webhook-timestamp}.{body}`, with the bytes of the body as they came, by
HMAC-SHA256 with the bytes that stand in base64 behind `{prefix}` in the secret. `webhook-signature` is `{scheme},` and
the digest in base64; while a secret is rotated there are several of these, with spaces between, and one that fits is
enough. Compare in constant time, and refuse a timestamp that is more than {tolerance} s from now: the time is that of
the try. `arqsvc.webhooks.verify` does all of this in Python.

## Façades

`/tasks` shows jobs as a Celery service would, and `/ga4gh/wes/v1` beside `/api/v1` as GA4GH's Workflow Execution
Service 1.1 has it; that is described by its own specification, and takes the same keys.
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
    doc: str
    """When it is sent, and what it says."""


SIGNED = (
    "The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` tell that it is ours: see Webhooks above. "
    "Answer 2xx"
)
WEBHOOKS = (
    *(
        Webhook(
            name,
            WebhookMessage,
            f"A job is now {name.partition('.')[2]}.\n\nSent to who wants it. {SIGNED}; all else is tried again.",
        )
        for name in get_args(EventType)
    ),
    Webhook("ping", WebhookPing, f"What `POST /webhooks/{{id}}/ping` sends, once.\n\n{SIGNED}."),
)
"""All messages that are sent to webhooks."""
SIGNATURE: Mapping[str, str] = {
    "webhook-id": "Names the message, at each try the same.",
    "webhook-timestamp": "When this try was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature in base64; several, with spaces between, while a secret is rotated.",
}
"""The headers of each message."""


def introduction(operations: Sequence[Operation]) -> str:
    """Return how to begin, and what holds for all operations."""
    no_key = (one for one in operations if one.method in MAY_KEEP and not one.keeps)
    said = {
        "no key": "\n".join(f"- `{one.method} {one.path}`" for one in no_key),
        "prefix": PREFIX,
        "scheme": SCHEME,
        "tolerance": f"{TOLERANCE_S:g}",
        "codes of requests": "\n".join(each.line for each in codes_of_requests()),
        "codes of jobs": "\n".join(each.line for each in codes_of_jobs()),
    }
    return re.sub(f"{{({'|'.join(said)})}}", lambda found: said[found[1]], INTRODUCTION)


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
