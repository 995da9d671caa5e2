"""What a command shows: of running jobs live bars on a terminal and plain lines elsewhere; and tables."""

import sys
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from arqsvc.client.stream import FINAL

WIDE = 250
"""Characters of a line of a table where it is no terminal that it goes to."""


def counted(number: int, what: str) -> str:
    """Return a number of things.

    >>> counted(1, "job"), counted(1200, "job")
    ('1 job', '1,200 jobs')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def print_table(table: Table) -> None:
    """Print a table on standard output; nothing is cut where that is a file or a pipe."""
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=WIDE)).print(table)


class Display:
    """One line a job on standard error: step, bar, time left."""

    def __init__(self, *, shown: bool) -> None:
        self._lines: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._plain = shown and not sys.stderr.isatty()
        self._live: Progress | None = None
        if shown and not self._plain:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[step]}"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def at(self, job: str, step: str, fraction: float | None) -> None:
        """Show where a job stands; `fraction` in 0..1, or None where it is as before."""
        if self._live:
            line = self._lines.get(job)
            if line is None:
                line = self._lines[job] = self._live.add_task(job, total=1.0, step=step)
            self._live.update(line, step=step, completed=fraction)
        elif self._plain and self._said.get(job) != step:
            self._said[job] = step
            percent = f"{fraction:4.0%}" if fraction is not None else "    "
            click.echo(f"{job}  {percent}  {step}", err=True)

    def event(self, job: str, event: Mapping[str, Any]) -> None:
        """Show what an event of a job says."""
        data = event["data"]
        if event["type"] == "progress":
            step = data["step"] if data["total"] or data["unit"] != "bytes" else f"{data['step']}, {data['done']:,} B"
            self.at(job, step if self._live else data["step"], data["fraction"])
        elif data["state"] == "scheduled":
            due = datetime.fromisoformat(data["due_at"]).astimezone()
            self._waits(job, f"waits until {due:%H:%M:%S}: {data['error']['detail']}")
        elif data["state"] not in {*FINAL, "blocked"}:  # of one that is blocked, what it waits for tells more
            self.at(job, data["state"], None)

    def _waits(self, job: str, why: str) -> None:
        """Show why a job waits: once also to those who want no progress, since they would wonder."""
        if not (self._live or self._plain) and job not in self._said:
            self._said[job] = why
            click.echo(f"{job}: {why}", err=True)
        self.at(job, why, None)

    def ended(self, job: str, *, ok: bool) -> None:
        """Show that a job has ended."""
        self.at(job, "done" if ok else "failed", 1.0 if ok else None)
