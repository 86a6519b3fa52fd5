"""The numbers of the whole gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from pipeline.llm.breaker import BreakerPolicy
from pipeline.llm.budget import Budget, Hard, Period, SpendRatePolicy
from pipeline.llm.cache import CachePolicy
from pipeline.llm.concurrency import ConcurrencyPolicy
from pipeline.llm.hedging import HedgePolicy
from pipeline.llm.retry import RetryPolicy
from pipeline.llm.similar import SimilarPolicy
from pipeline.settings import BudgetSettings, GatewaySettings


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """Every default is right for most; quotas and timeouts belong to the accounts."""

    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: ConcurrencyPolicy = field(default_factory=ConcurrencyPolicy)
    burst_s: float = 1.0
    """How much unused quota may be used at once, in seconds of its rate."""
    corrections: int = 2
    """How often one tier is told what was wrong with its answer."""
    truncation_room: float = 2.0
    """How many times `max_tokens` a truncated answer gets, once."""
    hedge: HedgePolicy | None = None
    """A second call beside a slow first one, in the interactive lane."""
    cache: CachePolicy | None = field(default_factory=CachePolicy)
    """None: every question is asked."""
    budgets: tuple[Budget, ...] = ()
    spend_rate: SpendRatePolicy = field(default_factory=SpendRatePolicy)
    max_calls: int = 15
    """Answers that one record may take, corrections and other tiers included."""
    max_tokens: int = 200_000
    """Tokens, in and out, that one record may take; 0: any number."""
    tenant_weights: Mapping[str, float] = field(default_factory=dict)
    """Shares of a scarce quota; a tenant not named has 1."""

    @classmethod
    def of(cls, gateway: GatewaySettings, budget: BudgetSettings) -> Self:
        """What the settings say; all that they leave open is as it is here."""
        limits = [
            Budget(
                limit.tenant,
                limit.enrichment,
                Period(limit.period),
                limit.usd,
                limit.tokens,
                limit.soft_share,
                Hard(limit.hard),
            )
            for limit in budget.limits
        ]
        if budget.daily_usd:
            limits.append(Budget(usd=budget.daily_usd))
        return cls(
            hedge=HedgePolicy() if gateway.hedge else None,
            cache=_cache(gateway) if gateway.cache else None,
            budgets=tuple(limits),
            spend_rate=SpendRatePolicy(factor=budget.alarm_factor, least_usd=budget.alarm_usd),
            max_calls=budget.record_calls,
            max_tokens=budget.record_tokens,
            tenant_weights=gateway.tenant_weights,
        )


def _cache(gateway: GatewaySettings) -> CachePolicy:
    least = gateway.cache_similar_from
    return CachePolicy(gateway.cache_fresh, gateway.cache_stale, similar=SimilarPolicy(least) if least else None)
