"""The one desk that all pages share: opened when it is first needed, kept up to date, asked on threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from pipeline.deadletters.desk import Desk

_FRESH_S: Final = 1.0
"""For so long what was read from the topics counts as new: many pages may be open at once."""
_Answer = TypeVar("_Answer")


class SharedDesk:
    """Opens the desk on a thread, again after each time that it could not be opened."""

    def __init__(self, opener: Callable[[], Desk]) -> None:
        self._opener = opener
        self._desk: Desk | None = None
        self._opening, self._reading = threading.Lock(), threading.Lock()
        self._read_at = 0.0

    async def ask(self, question: Callable[[Desk], _Answer]) -> _Answer:
        """Its answer, from an index that is as new as the topics. Raises what the desk raises."""

        def answered() -> _Answer:
            return question(self.fresh())

        return await asyncio.to_thread(answered)

    async def do(self, deed: Callable[[Desk], _Answer]) -> _Answer:
        """The same for what changes something: the next question finds it in the index."""

        def done() -> _Answer:
            try:
                return deed(self.fresh())
            finally:
                self._read_at = 0.0

        return await asyncio.to_thread(done)

    def fresh(self) -> Desk:
        """The desk, its index up to where the topics end. Blocks."""
        desk = self.opened()
        with self._reading:
            if time.monotonic() - self._read_at > _FRESH_S:
                desk.catch_up()
                self._read_at = time.monotonic()
        return desk

    def opened(self) -> Desk:
        """The desk, however old its index is. Blocks while it is opened."""
        with self._opening:
            self._desk = self._desk or self._opener()
            return self._desk
