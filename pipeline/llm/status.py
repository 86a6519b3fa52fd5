"""What the gateway shows of itself, for the live view, metrics and `pipeline doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pipeline.llm.breaker import BreakerState


class Sharing(StrEnum):
    """Whether quotas are shared with other workers."""

    ALONE = "alone"
    SHARED = "shared"
    AWAY = "away"
    """The store is away: this worker keeps its last share."""


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


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """All routes that were asked so far, in order of provider and model."""

    routes: tuple[RouteStatus, ...]
    sharing: Sharing = Sharing.ALONE
