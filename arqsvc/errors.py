"""The error tree; a class decides what happens next, its message names the value, the limit and the next step.

    ArqsvcError
      Rejected            the caller must change something
        Unauthorized      401
        BadSignature      401
        Forbidden         403
        NotFound          404
          UnknownKind     404
        Conflict          409
          Duplicate       409
          InFlight        409
        TooLarge          413
        WrongMediaType    415
        Misdirected       421
        InvalidParams     422
        AddressRefused    422
        FilesQuota        507
        KeyReused         422
      JobFailed           this work cannot succeed, however often it is tried
        BadInput          the file or value given is not what the work needs
        SourceRefused     an outside service said no, or sent what is not what was asked for
          SourceMismatch  what it sends, twice the same, is not what it declares
        OutOfMemory       a call went past its memory ceiling
        TimedOut          the job went past its time limit
        NoProgress        the job stood still for longer than it may
      Retryable           later it may succeed; carries `delay_s`
        SourceUnavailable an outside service did not answer, or not with all of it
          SourceAway      there is no connection to it, or it is down: an outage, which may last
        Throttled         an outside service asks to wait; this uses up none of the job's tries
          DatabaseAway    our own database does not answer
        QueueFull         a queue takes in no more for now
        OutOfSpace        a disk is full or read-only
        ChildDied         a child process ended without an answer
        RateLimited       429, more requests in a minute, or open streams, than the key may have
        JobsQuota         429, more jobs that have not ended than the project may have
      CannotStart         a command cannot start; exit code 2
        StateInUse        another instance holds the state folder

What happens to a job that raises one is decided in `jobs/run.py` alone; how a client sees one, in `api/problems.py`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ArqsvcError(Exception):
    """Any error that we raise on purpose.

    Args:
        detail: one or two sentences for the person who must act: the value, the limit, the next step.
        **facts: JSON values that a program may want; they travel in the problem document beside the detail.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, /, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.facts)

    def problem(self) -> dict[str, Any]:
        """Return this error as the members of an RFC 9457 problem document."""
        return {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.facts,
        }


def _rebuild(cls: type[ArqsvcError], detail: str, facts: Mapping[str, Any]) -> ArqsvcError:
    return cls(detail, **facts)


class Rejected(ArqsvcError):
    """The caller must change something before this can be accepted."""

    code = "rejected"
    title = "Request rejected"
    status = 400


class Unauthorized(Rejected):
    """No valid key came with the request."""

    code = "unauthorized"
    title = "A valid API key is needed"
    status = 401


class BadSignature(Rejected):
    """A webhook's message is not signed by who it should be, or not lately."""

    code = "bad_signature"
    title = "The signature does not fit"
    status = 401


class Forbidden(Rejected):
    """The key is valid and this is not allowed to it."""

    code = "forbidden"
    title = "Not allowed"
    status = 403


class NotFound(Rejected):
    """What was asked for does not exist, or is not visible to this key."""

    code = "not_found"
    title = "Not found"
    status = 404


class UnknownKind(NotFound):
    """No family declares this kind of job."""

    code = "unknown_kind"
    title = "Unknown kind of job"


class Conflict(Rejected):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    title = "Conflict with the current state"
    status = 409


class Duplicate(Conflict):
    """The same work was submitted before, and is not to be done twice; `job` and `state` say which job does it."""

    code = "duplicate"
    title = "Submitted before"


class InFlight(Conflict):
    """The first request with this `Idempotency-Key` is still being answered; ask again after `Retry-After` seconds."""

    code = "in_flight"
    title = "The same request is being answered"


class TooLarge(Rejected):
    """A body is over its limit; `limit_bytes` says which."""

    code = "too_large"
    title = "Content too large"
    status = 413


class WrongMediaType(Rejected):
    """A body is of a media type that this operation does not take; the detail says which it takes."""

    code = "unsupported_media_type"
    title = "Unsupported media type"
    status = 415


class InvalidParams(Rejected):
    """A body or query does not fit its schema; `errors` lists each fault with a JSON Pointer."""

    code = "invalid_params"
    title = "Invalid parameters"
    status = 422


class AddressRefused(Rejected):
    """An address for webhooks is malformed, unknown or not public; `ARQSVC_WEBHOOK_PRIVATE` allows private networks."""

    code = "address_refused"
    title = "Address not allowed"
    status = 422


class Misdirected(Rejected):
    """The service does not go by the name that the request was sent to: `ARQSVC_HOSTS` says by which it does."""

    code = "misdirected"
    title = "Not a name of this service"
    status = 421


class FilesQuota(Rejected):
    """The files of the project would take more than it may have; carries `left_bytes`."""

    code = "files_quota_exceeded"
    title = "No room left for files of this project"
    status = 507


class KeyReused(Rejected):
    """Another request came with this `Idempotency-Key` before: another method, path or body."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key used for another request"
    status = 422


class JobFailed(ArqsvcError):
    """This work cannot succeed, however often it is tried."""

    code = "job_failed"
    title = "The job failed"
    status = 422


class BadInput(JobFailed):
    """The file or value is not what the work needs; `reason` is a stable word for a program."""

    code = "bad_input"
    title = "The input cannot be used"


class SourceRefused(JobFailed):
    """An outside service answered, and said no or sent something else; carries what it said."""

    code = "source_refused"
    title = "The source refused"
    status = 502


class SourceMismatch(SourceRefused):
    """What a source sends, twice the same, is not what it declares; carries `declared`, `computed` and `kept`."""

    code = "source_mismatch"
    title = "The source's own checksum does not fit what it sends"


class OutOfMemory(JobFailed):
    """A call went past its memory ceiling; carries `ceiling_bytes` and `peak_bytes`."""

    code = "out_of_memory"
    title = "Out of memory"
    status = 500


class TimedOut(JobFailed):
    """The job ran past its limit; carries `limit_s`, the soft or the hard one, and `timeout_s`, the hard one."""

    code = "timeout"
    title = "Time limit exceeded"
    status = 500


class NoProgress(JobFailed):
    """The job told no progress for longer than it may; carries `no_progress_s`."""

    code = "no_progress"
    title = "No progress"
    status = 500


class Retryable(ArqsvcError):
    """Later it may succeed; `delay_s` is how long to wait at least, None for the kind's own backoff."""

    code = "retryable"
    title = "Temporarily not possible"
    status = 503

    def __init__(self, detail: str, /, *, delay_s: float | None = None, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.delay_s = delay_s

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, {**self.facts, "delay_s": self.delay_s})


class SourceUnavailable(Retryable):
    """An outside service, or the database of this one, did not answer, or said that it cannot now."""

    code = "source_unavailable"
    title = "The source is unavailable"


class SourceAway(SourceUnavailable):
    """An outage: no connection to an outside service, or a 5xx of it; for `Retries.outage_s` it uses up no try."""


class Throttled(Retryable):
    """An outside service asks to wait, or our budget of requests to it is used up; `delay_s` says how long."""

    code = "throttled"
    title = "Waiting for the source"
    status = 429


class DatabaseAway(Throttled):
    """The database of the service does not answer; who asked tries again."""

    code = "database_away"
    title = "Waiting for the database"
    status = 503


class QueueFull(Retryable):
    """As many jobs wait in a queue as may; carries `queue`, `queued` and `limit`."""

    code = "queue_full"
    title = "The queue is full"


class OutOfSpace(Retryable):
    """A disk is full, over quota or read-only."""

    code = "out_of_space"
    title = "No space to write"
    status = 507


class ChildDied(Retryable):
    """A child process ended without an answer; carries `exitcode`."""

    code = "child_died"
    title = "A worker child died"
    status = 500


class RateLimited(Retryable):
    """More requests came in a minute, or more streams are open, than are allowed.

    `Retry-After` says when the next may come, in seconds.
    """

    code = "rate_limited"
    title = "Too many requests"
    status = 429

    def problem(self) -> dict[str, Any]:
        """Return it with the `type` that the draft of the `RateLimit` headers has registered for it."""
        return {**super().problem(), "type": "https://iana.org/assignments/http-problem-types#quota-exceeded"}


class JobsQuota(Retryable):
    """The project has as many jobs that have not ended as it may; carries `limit` and `open`."""

    code = "quota_exceeded"
    title = "Too many jobs of this project"
    status = 429


class CannotStart(ArqsvcError):
    """A command cannot start: wrong setting, state in use, server missing."""

    code = "cannot_start"
    title = "Cannot start"


class StateInUse(CannotStart):
    """Another instance holds the state folder."""

    code = "state_in_use"
    title = "State in use"
