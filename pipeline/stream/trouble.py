"""Errors that the client library reports and mends by itself: told once in a while, not each time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from pipeline.stream.failures import Complaints
from pipeline.stream.kafka import KafkaError

_SAME = 10.0
"""Seconds between two reports of the same error: brokers that are away are tried many times a second."""


class Trouble:
    """The error callback of a consumer. Called on its thread; tells `listener` on the event loop."""

    def __init__(self, complaints: Complaints, listener: Callable[[str], None]) -> None:
        self.fatal = False
        """The client can do nothing any more."""
        self._complaints = complaints
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._told: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Notes an error."""
        self._complaints(error)
        self.fatal |= error.fatal() or error.code() == KafkaError._FATAL
        now = time.monotonic()
        if now - self._told.get(error.code(), float("-inf")) >= _SAME:
            self._told[error.code()] = now
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._listener, f"{error.name()}: {error.str()}")
