"""Bounds what is finished and not committed: whatever ends this worker makes another one call for all of it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pipeline.stream.assignment import Assignment
from pipeline.stream.lanes import Lanes

_REASON: Final = "commits stall"
_STALLED: Final = 0.25
"""Seconds a commit may take before new records wait for it, once as many are uncommitted as may be in flight."""
_MOST: Final = 500
"""At twice as many as may be in flight, and no less than this, new records wait for any commit."""


class Stall:
    """Counts what is uncommitted, and starts nothing new while too much of it is. On the event loop."""

    def __init__(self, lanes: Lanes, concurrency: int) -> None:
        self.committing_since: Callable[[], float | None] = lambda: None
        """Asks the releaser since when it has tried to commit (monotonic seconds); None: nothing waits."""
        self._lanes = lanes
        self._few = concurrency
        self._most = max(_MOST, 2 * concurrency)
        self._uncommitted = 0
        self._holds = False

    def finished(self, assignment: Assignment) -> None:
        """One more record of it."""
        assignment.uncommitted += 1
        self._uncommitted += 1
        if self._uncommitted >= self._few:
            self._look()

    def committed(self, assignment: Assignment, records: int) -> None:
        """So many of its records are; what waited goes on."""
        assignment.uncommitted -= records
        self._uncommitted -= records
        self._go_on()

    def dropped(self, assignment: Assignment) -> None:
        """Its records will not be committed here."""
        self._uncommitted -= assignment.uncommitted
        assignment.uncommitted = 0

    def tend(self) -> None:
        """Looks at what no record brings up; called a few times a second."""
        if self._uncommitted < self._few:
            self._go_on()
        else:
            self._look()

    def _look(self) -> None:
        since = self.committing_since()
        if since is None:
            return
        if self._uncommitted >= self._most or time.monotonic() - since > _STALLED:
            self._holds = True
            self._lanes.hold(_REASON)

    def _go_on(self) -> None:
        if self._holds:
            self._holds = False
            self._lanes.release(_REASON)
