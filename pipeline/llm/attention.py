"""Time in which this process could have read an answer that had come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.25
"""Seconds between two looks while calls are on their way."""
_LONGEST_S: Final = 2 * TICK_S


class Attention:
    """A clock that stands still while the process does: frozen, starved of its CPU, or busy in one long turn.

    Time that passes between two ticks counts for half a second at most, so that answers which lie unread do not make
    their model seem slow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen = clock()
        self._attended = 0.0

    def now(self) -> float:
        """Seconds of attention."""
        return self._attended + min(self._clock() - self._seen, _LONGEST_S)

    def tick(self) -> float:
        """Tells that the process runs. Returns `now`."""
        self._attended = self.now()
        self._seen = self._clock()
        return self._attended
