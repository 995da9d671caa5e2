"""API keys and projects."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from arqsvc.contract.answer import Answer

KeyScope = Literal["read", "submit", "cancel", "operate", "admin"]


class Key(Answer):
    """An API key, or the session of a browser; never its secret."""

    id: UUID
    project: str
    name: str
    kind: Literal["key", "session"]
    prefix: str
    """How its secret begins."""
    scopes: list[KeyScope]
    per_minute: int | None
    """Requests a minute that it may send, 0 for any number; null for what the service's settings say."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """When it was last used, to a minute."""


class NewKey(Key):
    """A key that was just made."""

    secret: str
    """The key itself. It is shown this once."""


class KeyPage(Answer):
    """Some keys, the newest first."""

    items: list[Key]
    next_cursor: str | None
    """`cursor` of the page behind this one; null on the last."""


class Project(Answer):
    """A project with its bounds."""

    name: str
    jobs_limit: int | None
    """Most jobs that have not ended; null for any number."""
    files_limit_bytes: int | None
    """Most bytes of its files; null for any number."""


class ProjectList(Answer):
    """All projects that have keys or bounds, by name."""

    items: list[Project]


class ProjectUsage(Project):
    """A project with its bounds and what it has."""

    jobs_open: int
    """Jobs that have not ended; counted up to 100,000."""
    files_bytes: int
    """Bytes of its files, uploaded and made by jobs."""
