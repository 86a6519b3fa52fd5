"""One partition in the hands of this member, from the moment it is given until it is taken away."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto

from pipeline.stream.lanes import PartitionLanes
from pipeline.stream.progress import Progress
from pipeline.stream.record import Output, Record

Name = tuple[str, int]
"""Topic and partition number."""


class Phase(Enum):
    """What may be done with the partition."""

    ACTIVE = auto()
    DRAINING = auto()
    """It is about to move: nothing new starts, what is finished is committed."""
    GONE = auto()
    """It belongs to somebody else: nothing of it is committed any more."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A record and the outputs that stand for it, not committed yet."""

    record: Record
    outputs: tuple[Output, ...]
    refusals: int = 0
    """How often an output of it was refused and replaced."""


class Assignment:
    """State of one assigned partition. Changed on the event loop only, but for `end`."""

    __slots__ = (
        "_arrivals",
        "at_end",
        "dirty",
        "end",
        "finished",
        "held",
        "held_bytes",
        "lanes",
        "partition",
        "phase",
        "progress",
        "reasons",
        "topic",
        "uncommitted",
        "unsure",
    )

    def __init__(self, topic: str, partition: int, progress: Progress, process: Process) -> None:
        self.topic = topic
        self.partition = partition
        self.progress = progress
        self.lanes = PartitionLanes(functools.partial(process, self))
        self.phase = Phase.ACTIVE
        self.finished: list[Finished] = []
        """Waiting for a transaction."""
        self.dirty = False
        """There is something to commit."""
        self.unsure = False
        """A transaction with its records may or may not have been committed: ask the broker first."""
        self.uncommitted = 0
        """Records that are finished and not committed, those in a transaction among them."""
        self.held = 0
        self.held_bytes = 0
        """Records, and bytes of their values, that were fetched and are not committed."""
        self.reasons: set[str] = set()
        """Why no more of it is fetched for now; empty: it is fetched."""
        self.at_end = False
        """Everything up to the end of the partition was fetched."""
        self.end: int | None = None
        """The offset after the last record in the log, as far as is known. Set by the thread that fetches."""
        self._arrivals: deque[tuple[int, float]] = deque()

    def __repr__(self) -> str:
        return f"<{self.topic}[{self.partition}] {self.phase.name.lower()}>"

    @property
    def name(self) -> Name:
        """Topic and partition number."""
        return self.topic, self.partition

    def arrived(self, offset: int, now: float) -> None:
        """Notes when records from `offset` on were fetched (monotonic seconds)."""
        self._arrivals.append((offset, now))

    def oldest_arrival(self) -> float | None:
        """When the first record not finished was fetched; None when all are finished."""
        prefix, arrivals = self.progress.prefix, self._arrivals
        if prefix is None or prefix == self.progress.next:
            arrivals.clear()
            return None
        while len(arrivals) > 1 and arrivals[1][0] <= prefix:
            arrivals.popleft()
        return arrivals[0][1] if arrivals else None

    @property
    def lag(self) -> int:
        """Offsets of the log from the first unfinished record on, as far as is known."""
        prefix = self.progress.prefix
        if self.end is None or prefix is None or (self.at_end and prefix == self.progress.next):
            return 0
        return max(0, self.end - prefix)


Process = Callable[[Assignment, Record], Coroutine[None, None, None]]
"""What is done with one record of an assignment; must not raise."""
