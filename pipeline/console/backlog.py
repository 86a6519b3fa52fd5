"""How far enrichments are behind, told by the topics and their groups alone: whether a worker runs or not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline.catalogue import Catalogue, Enrichment
from pipeline.errors import UsageError
from pipeline.stream.admin import Admin, Lag
from pipeline.stream.reader import read

_WINDOW_S: Final = 60.0
"""What a rate is counted over."""
_COUNTED: Final = 500
"""Offsets up to which records are counted one by one: ends of transactions stand there, too, and wait for nobody."""
_MOST_READ: Final = 5000
"""Records read to find the oldest that waits: those of one partition come before those of another."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One enrichment's backlog. `rate` is records a second, None until two looks were taken."""

    lag: int
    rate: float | None
    oldest: datetime | None
    """When the oldest record that is not done reached Kafka; None when none waits, or it may not be read."""


class Backlog:
    """Looks at all enrichments of a catalogue. For one thread at a time."""

    def __init__(self, client: Mapping[str, str], catalogue: Catalogue) -> None:
        self._client, self._catalogue = client, catalogue
        # One record of each partition is looked at: a backlog is not to be fetched for that again and again.
        self._frugal = {**client, "max.partition.fetch.bytes": "65536", "queued.max.messages.kbytes": "1024"}
        self._admin: Admin | None = None
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def look(self) -> dict[str, Waiting]:
        """By enrichment. Raises UnavailableError when Kafka is away, UsageError where something may not be asked."""
        self._admin = self._admin or Admin(self._client)
        return {name: self._waiting(self._admin, one) for name, one in self._catalogue.enrichments.items()}

    def _waiting(self, admin: Admin, enrichment: Enrichment) -> Waiting:
        lags = admin.lag(enrichment.group, [enrichment.input.topic])
        done = sum(lag.committed or 0 for lag in lags)
        behind, oldest = self._behind(lags)
        return Waiting(behind, self._rate(enrichment.name, done), oldest)

    def _rate(self, name: str, done: int) -> float | None:
        now = time.monotonic()
        seen = self._seen.setdefault(name, deque())
        seen.append((now, done))
        while len(seen) > 2 and seen[1][0] < now - _WINDOW_S:
            seen.popleft()
        (began, before), took = seen[0], now - seen[0][0]
        return max(0.0, (done - before) / took) if now > began else None

    def _behind(self, lags: list[Lag]) -> tuple[int, datetime | None]:
        """How many records are behind, of many about how many; and when the oldest of them came."""
        offsets = sum(lag.records for lag in lags)
        starts = {(lag.topic, lag.partition): lag.committed or 0 for lag in lags if lag.records > 0}
        if not starts:
            return 0, None
        first: dict[tuple[str, int], int] = {}
        count, few = 0, offsets <= _COUNTED
        try:
            topics = sorted({topic for topic, _ in starts})
            for record in read(self._frugal, topics, start=starts, limit=_MOST_READ):
                count += 1
                first.setdefault((record.topic, record.partition), record.timestamp_ms)
                if not few and len(first) == len(starts):
                    break
        except UsageError:
            # Operators may not read inputs everywhere: how much waits is known all the same.
            return offsets, None
        oldest = datetime.fromtimestamp(min(first.values()) / 1000, UTC) if first else None
        return count if few else offsets, oldest
