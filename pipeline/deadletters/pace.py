"""A steady rate: so many records a second, no burst to catch up after a stall."""

from __future__ import annotations

import asyncio
import threading
import time


class Pace:
    """`rate` in records per second; 0 does not wait."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._due = 0.0

    def due(self, now: float, records: int) -> float:
        """Seconds to wait at `now` (monotonic) before the next `records` may go."""
        if not self._rate:
            return 0.0
        start = max(now, self._due)
        self._due = start + records / self._rate
        return start - now

    async def wait(self, records: int) -> None:
        """Waits until `records` may go."""
        await asyncio.sleep(self.due(time.monotonic(), records))

    def hold(self, records: int, stop: threading.Event) -> bool:
        """Waits in this thread until `records` may go; False when `stop` came first."""
        return not stop.wait(self.due(time.monotonic(), records))
