"""Which dead letters are meant, and how each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What was done about a dead letter, and what came of it (a closed list)."""

    OPEN = "open"
    WAITING = "waiting"
    """For its next try: it is sent again by itself."""
    REPLAYING = "replaying"
    """Sent again; its record has not come out yet."""
    REPLAYED = "replayed"
    """Sent again, and its record was enriched (or left out by its enrichment's own filter)."""
    DEAD_AGAIN = "dead_again"
    """Sent again, and its record died once more: that is a newer dead letter."""
    OVERTAKEN = "overtaken"
    """Sent again by itself, and not enriched, because a newer record of its entity had been."""
    RESOLVED = "resolved"
    """Closed by a person without being sent again."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; an empty list is no condition, several conditions must all hold.

    `ids` are as commands show them, or event ids. `topics` are dead-letter topics. `attempts` is the least number of
    calls made. `since` is included, `until` is not.
    """

    ids: Sequence[str] = ()
    topics: Sequence[str] = ()
    causes: Sequence[str] = ()
    stages: Sequence[str] = ()
    tenants: Sequence[str] = ()
    fingerprints: Sequence[str] = ()
    statuses: Sequence[Status] = ()
    since: datetime | None = None
    until: datetime | None = None
    attempts: int = 0
