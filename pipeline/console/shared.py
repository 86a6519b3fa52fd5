"""The one desk that all pages share: opened when it is first needed, kept up to date, asked on threads.

While Kafka is away nobody waits for it long: it is knocked at first, and for a few seconds its absence is remembered.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from pipeline.console.threads import on_thread
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.index.following import Progress
from pipeline.errors import UnavailableError

_FRESH_S: Final = 1.0
"""For so long what was read from the topics counts as new: many pages may be open at once."""
_AWAY_S: Final = 4.0
"""For so long what was away is not asked again."""
_LONGEST_S: Final = 60.0
"""For an answer."""
_READING_S: Final = 8.0
"""How long a page waits while the topics are read; then it says how far that is."""
_Answer = TypeVar("_Answer")


class SharedDesk:
    """Opens the desk on a thread, again after each time that it could not be opened."""

    def __init__(self, opener: Callable[[], Desk], knock: Callable[[], object]) -> None:
        """`knock` raises UnavailableError, and soon, when Kafka is away."""
        self._opener, self._knock = opener, knock
        self._desk: Desk | None = None
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._away: tuple[float, str] | None = None
        self._reading: _Reading | None = None

    async def ask(self, question: Callable[[Desk], _Answer]) -> _Answer:
        """Its answer, from an index that is as new as the topics. Raises what the desk raises."""

        def answered() -> _Answer:
            return question(self.fresh())

        try:
            async with asyncio.timeout(_LONGEST_S):
                return await on_thread(answered)
        except TimeoutError:
            raise UnavailableError(
                f"no answer within {_LONGEST_S:.0f} s: does the schema registry answer? (pipeline doctor says)"
            ) from None

    async def do(self, deed: Callable[[Desk], _Answer]) -> _Answer:
        """The same for what changes something: the next question finds it in the index."""

        def done() -> _Answer:
            try:
                return deed(self.fresh())
            finally:
                self._read_at = 0.0

        return await on_thread(done)

    def fresh(self) -> Desk:
        """The desk, its index up to where the topics end. Blocks. Raises UnavailableError when Kafka is away."""
        with self._lock:
            if self._desk is not None and time.monotonic() - self._read_at < _FRESH_S:
                return self._desk
            if self._away is not None and time.monotonic() - self._away[0] < _AWAY_S:
                raise UnavailableError(self._away[1])
            try:
                self._knock()
                self._desk = self._desk or self._opener()
                self._catch_up(self._desk)
            except _StillReadingError:
                raise
            except UnavailableError as error:
                self._away = time.monotonic(), str(error)
                raise
            self._read_at, self._away = time.monotonic(), None
            return self._desk

    def _catch_up(self, desk: Desk) -> None:
        """Reads on, on a thread: it may be long at first, and has no end while the registry is away."""
        reading = self._reading
        if reading is None:
            reading = self._reading = _Reading(desk)
        if not reading.ended.wait(max(0.0, reading.began + _READING_S - time.monotonic())):
            raise _StillReadingError(
                f"the dead letters are being read, {reading.progress}: look again soon. "
                "When that number does not grow, does the schema registry answer? (pipeline doctor says)"
            )
        self._reading = None
        if reading.failure is not None:
            raise reading.failure


class _StillReadingError(UnavailableError):
    """Nothing is away; it only takes longer than a page waits."""


class _Reading:
    """One catch-up on its thread."""

    def __init__(self, desk: Desk) -> None:
        self.began, self.ended = time.monotonic(), threading.Event()
        self.progress = "none yet"
        self.failure: Exception | None = None
        threading.Thread(target=self._read, args=(desk,), name="catch-up", daemon=True).start()

    def _read(self, desk: Desk) -> None:
        try:
            desk.catch_up(self._told)
        except Exception as error:  # noqa: BLE001  # raised again in the thread that waits for it
            self.failure = error
        finally:
            self.ended.set()

    def _told(self, read: Progress) -> None:
        self.progress = f"{read.done:,} of {read.total:,} records so far"
