"""All routes of a gateway, opened when they are first used, and their running figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.errors import UsageError
from pipeline.llm.concurrency import AdaptiveLimit
from pipeline.llm.observer import Observer
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.providers.provider import Account
from pipeline.llm.question import Attempt, Outcome, Tier
from pipeline.llm.queue import FairQueue
from pipeline.llm.quota import Quota, QuotaPolicy
from pipeline.llm.retry import RetryBudget
from pipeline.llm.route import Route
from pipeline.llm.status import RouteStatus


class Routes:
    """A route for each (provider, model)."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        policy: GatewayPolicy,
        observer: Observer,
        clock: Callable[[], float],
        first_share: float = 1.0,
    ) -> None:
        self._first_share = first_share
        self._accounts = accounts
        self._policy = policy
        self._observer = observer
        self._clock = clock
        self._routes: dict[tuple[str, str], Route] = {}
        self._counts: dict[tuple[str, str], _Counts] = {}

    def account(self, provider: str) -> Account:
        """Raises UsageError when the settings have no such provider."""
        account = self._accounts.get(provider)
        if account is None:
            raise UsageError(
                f"no provider is named {provider}: mend the tier, or set PIPELINE_PROVIDERS__{provider.upper()}__WIRE"
            )
        return account

    def of(self, tier: Tier) -> Route:
        """The route that a tier's calls take."""
        key = (tier.provider, tier.model)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._open(tier)
            self._counts[key] = _Counts()
        return route

    def __iter__(self) -> Iterator[Route]:
        return iter(list(self._routes.values()))

    def count(self, attempt: Attempt) -> None:
        """A call ended."""
        counts = self._counts[attempt.provider, attempt.model]
        counts.calls += 1
        counts.throttled += attempt.outcome is Outcome.THROTTLED
        counts.failed += attempt.outcome in _FAILED
        counts.input_tokens += attempt.input_tokens
        counts.output_tokens += attempt.output_tokens
        counts.cost_usd += attempt.cost_usd
        counts.maybe_billed += attempt.maybe_billed
        counts.unsettled_usd += attempt.unsettled_usd

    def status(self) -> tuple[RouteStatus, ...]:
        """Figures of every route used so far, in order of provider and model."""
        now = self._clock()
        return tuple(
            RouteStatus(
                provider=route.provider,
                model=route.model,
                breaker=route.breaker.state,
                breaker_opened=route.breaker.opened,
                quota_used=route.quota.used_share(now),
                calls=counts.calls,
                throttled=counts.throttled,
                failed=counts.failed,
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                cost_usd=counts.cost_usd,
                maybe_billed=counts.maybe_billed,
                unsettled_usd=counts.unsettled_usd,
                running=route.running,
                waiting=route.waiting + route.parked,
            )
            for key, route in sorted(self._routes.items())
            for counts in (self._counts[key],)
        )

    def _open(self, tier: Tier) -> Route:
        account = self.account(tier.provider)
        quota = QuotaPolicy(
            account.requests_per_minute,
            account.tokens_per_minute,
            account.input_tokens_per_minute,
            account.output_tokens_per_minute,
            account.charges_max_tokens,
            self._policy.burst_s,
        )
        return Route(
            tier.provider,
            tier.model,
            account,
            Quota(quota, self._clock(), self._first_share),
            self._policy.breaker,
            RetryBudget(self._policy.retry),
            FairQueue(self._policy.tenant_weights),
            AdaptiveLimit(self._policy.concurrency, account.max_concurrency) if account.adapts_concurrency else None,
            self._observer,
            self._clock,
        )


@dataclass(slots=True)
class _Counts:
    calls: int = 0
    throttled: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    maybe_billed: int = 0
    unsettled_usd: Decimal = Decimal(0)


_FAILED = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
        Outcome.OVERLOADED,
        Outcome.SERVER_ERROR,
        Outcome.GARBLED,
        Outcome.LOCKED_OUT,
        Outcome.UNUSABLE_MODEL,
        Outcome.SPENT,
    }
)
