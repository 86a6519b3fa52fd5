"""What the gateway shows of itself, for the live view, metrics and `pipeline doctor`."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from pipeline.llm.breaker import BreakerState


class Sharing(StrEnum):
    """Whether quotas are shared with other workers."""

    ALONE = "alone"
    SHARED = "shared"
    AWAY = "away"
    """The store is away: this worker keeps its last share, or a fair one, and takes more only of what is left over."""


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One model at one provider since the gateway was opened."""

    provider: str
    model: str
    breaker: BreakerState
    breaker_opened: int
    quota_used: float
    """Share of the scarcest quota in use, from 0 to 1."""
    calls: int
    throttled: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    running: int
    waiting: int
    """Calls that wait for quota, for a place, or for the provider to come back."""
    maybe_billed: int = 0
    """Calls whose answer never came although the request was sent: the provider's bill may hold them."""
    unsettled_usd: Decimal = Decimal(0)
    """What they may be billed at most; not in `cost_usd`."""


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """Questions that were answered without a call since the gateway was opened."""

    hits: int = 0
    shared: int = 0
    """Equal questions that waited for one in front of them."""
    stale: int = 0
    """Old answers given while no provider could be asked."""
    misses: int = 0
    saved_usd: Decimal = Decimal(0)
    entries: int = 0
    bytes: int = 0
    similar: int = 0
    """Answers of questions that were nearly the same, where that is allowed."""


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """All routes that were asked so far, in order of provider and model."""

    routes: tuple[RouteStatus, ...]
    sharing: Sharing = Sharing.ALONE
    cache: CacheStatus = field(default_factory=CacheStatus)
    held: int = 0
    """Records that wait because a budget is spent."""
