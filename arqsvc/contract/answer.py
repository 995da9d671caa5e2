"""What all answers have in common, and problems."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Fault(Answer):
    """One thing that is wrong with a request."""

    pointer: str
    """Where, as a JSON Pointer into the body, or the name of a query parameter behind a slash."""
    detail: str


class Problem(Answer):
    """Why something was refused or failed, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    """A stable word for a program; the description of the API lists all, under Errors."""
    detail: str
    """One or two sentences for a person: the value, the limit, the next step."""
    instance: str | None = None
    trace_id: str | None = None
    """The trace of the request, where it has one."""
    errors: list[Fault] | None = None


class Health(Answer):
    """Whether the service can work."""

    status: str
    checks: dict[str, str] = {}
    """Each part by name: `ok`, or what is wrong with it."""
