"""One job that somebody follows here: who, and how far each was told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

from arqsvc.jobs.events import About, Event, EventId, about, change
from arqsvc.jobs.outbox import Outbox
from arqsvc.jobs.progress import MOST_STEPS, kept_events, progress_event
from arqsvc.jobs.record import FINAL

Entry = Mapping[str, Any]


@dataclass(eq=False, slots=True)
class Followed:
    """A job with its followers. Those that join are told nothing until they were told what they missed."""

    job: UUID
    seq: int = -1
    """The newest change that was read."""
    kept: int = -1
    """The attempt, by its `seq`, of which the progress that is kept in Redis was read."""
    readers: dict[Outbox, EventId] = field(default_factory=dict)
    """How far each was told."""
    joining: dict[Outbox, EventId] = field(default_factory=dict)
    reading: bool = False
    _joined: dict[Outbox, EventId] = field(default_factory=dict)
    """Those for whom the statement reads that runs."""
    _about: About | None = None
    _early: list[tuple[int, Entry]] = field(default_factory=list)
    """Progress that came before the change which it follows was read."""
    _held: list[tuple[int, Entry]] = field(default_factory=list)

    @property
    def behind(self) -> int:
        """The change behind which one of its followers is to be told."""
        readers = [self.seq] if self.readers and self.seq >= 0 else []
        return min(readers + [after.seq for after in self.joining.values()], default=self.seq)

    def begin(self) -> None:
        """Note that its rows are read now."""
        self.reading, self._joined = True, dict(self.joining)
        self._held, self._early = [*self._held, *self._early][-MOST_STEPS:], []

    def lacks_progress(self, attempt: int) -> bool:
        """Whether somebody may not know the progress that is kept of this attempt."""
        return bool(self._joined) or self.kept != attempt

    def progressed(self, seq: int, entry: Entry) -> bool:
        """Hand on a piece of progress; False if rows are to be read first."""
        if seq < self.seq and not self.joining:
            return True  # of an attempt that has ended
        if self._about is None or self.reading or self.joining or not (seq == self.seq == self.kept):
            self._early = [*self._early[-MOST_STEPS:], (seq, entry)]
            return False
        self._push([progress_event(self.job, seq, entry, self._about)])
        return True

    def hand_on(self, story: Sequence[Mapping[str, Any]], kept: Entry | None) -> None:
        """Hand on what was read: rows of the job, each with one new change of it, and the progress that Redis keeps.

        Whose job is gone, or has told its final state, follows it no more.
        """
        for outbox, after in self._joined.items():
            if self.joining.get(outbox) == after:
                self.readers[outbox] = self.joining.pop(outbox)
        if not story:
            self._let_go()
            return
        newest = story[-1]
        self._about = self._about or about(newest)
        events = [change(row, self._about) for row in story if row["seq"] is not None]
        if newest["progress"]:
            kept = json.loads(newest["progress"])
        if kept:
            events += kept_events(self.job, kept, self._about)
        events += [progress_event(self.job, seq, entry, self._about) for seq, entry in self._held]
        self.seq, self._held = newest["newest"], []
        self._push(sorted((event for event in events if event.seq <= self.seq), key=attrgetter("id")))
        if newest["stands"] in FINAL:
            self._let_go()

    def _push(self, events: Sequence[Event]) -> None:
        for outbox, last in self.readers.items():
            told = last
            for event in events:
                if (id_ := event.of_job) > told:
                    outbox.push(event)
                    told = id_
            self.readers[outbox] = told

    def _let_go(self) -> None:
        readers, self.readers = self.readers, {}
        for outbox in readers:
            outbox.ended(self.job)
