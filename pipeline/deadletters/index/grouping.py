"""Dead letters by what they have in common, and how their number moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Trend(StrEnum):
    """The last hour beside the hour before."""

    NEW = "new"
    RISING = "rising"
    STEADY = "steady"
    FALLING = "falling"
    QUIET = "quiet"


_STEADY = 0.2
"""A change of less than this share is none."""


def trend(recent: int, before: int, older: int) -> Trend:
    """Of the deaths in the last period, in the one before, and in all earlier ones."""
    if not recent and not before:
        return Trend.QUIET
    if not before and not older:
        return Trend.NEW
    if abs(recent - before) <= _STEADY * max(recent, before):
        return Trend.STEADY
    return Trend.RISING if recent > before else Trend.FALLING


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one fingerprint: same cause, same shape. `example` is the id of the one read last."""

    fingerprint: str
    cause: str
    stage: str
    enrichment: str
    message: str
    count: int
    recent: int
    trend: Trend
    first_seen: datetime
    last_seen: datetime
    tenants: int
    cost_usd: Decimal
    example: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of dead letters by every closed list; `cost_usd` is what their calls took."""

    total: int
    by_status: Mapping[str, int] = field(default_factory=dict)
    by_cause: Mapping[str, int] = field(default_factory=dict)
    by_stage: Mapping[str, int] = field(default_factory=dict)
    by_topic: Mapping[str, int] = field(default_factory=dict)
    by_tenant: Mapping[str, int] = field(default_factory=dict)
    cost_usd: Decimal = Decimal(0)
    oldest_open: datetime | None = None
    next_try_at: datetime | None = None
    """When the first of all that wait is sent again by itself."""
