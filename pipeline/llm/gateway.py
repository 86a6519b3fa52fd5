"""One model-agnostic call: `await gateway.complete(question)`."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pipeline.errors import AnswerError, BudgetError, CallError, ProvidersOutError, UsageError
from pipeline.llm.accounts import open_accounts
from pipeline.llm.asking import Asking
from pipeline.llm.budget import Budget, Ledger, LocalLedger
from pipeline.llm.cache import AnswerStore
from pipeline.llm.calling import Caller
from pipeline.llm.climbing import Climber
from pipeline.llm.fleet import Fleet, ShareKeeper, first_share
from pipeline.llm.observer import Observer, Unobserved
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.providers.local import LocalClassifiers
from pipeline.llm.providers.provider import Account, ProviderError, Reachability
from pipeline.llm.question import Attempt, Completion, Invalid, Outage, Question, Tier
from pipeline.llm.recall import Recall
from pipeline.llm.routes import Routes
from pipeline.llm.spending import Spending
from pipeline.llm.status import CacheStatus, GatewayStatus, Sharing
from pipeline.settings import ProviderSettings, RedisSettings

T = TypeVar("T")


class Gateway:
    """Asks models so that quotas hold, outages pass, and every answer given out is valid.

    Alone in its process it needs nothing else; it belongs to the event loop that first uses it.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        policy: GatewayPolicy | None = None,
        *,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: random.Random | None = None,
        fleet: Fleet | None = None,
        workers: int = 0,
        store: AnswerStore | None = None,
        ledger: Ledger | None = None,
        wall: Callable[[], float] = time.time,
        user_salt: bytes | None = None,
    ) -> None:
        """`accounts` by the names that tiers use; `fleet` when other workers use them too, of which there are about
        `workers` (0: nobody knows); `store` when they share their answers. `ledger` knows what was spent before; this
        process's own when not given. `user_salt` keys the hashes of tenants; random when not given."""
        policy, observer, draw = policy or GatewayPolicy(), observer or Unobserved(), draw or random.Random()
        self._accounts = dict(accounts)
        self._clock, self._wall = clock, wall
        self._routes = Routes(self._accounts, policy, observer, clock, first_share(workers) if fleet else 1.0)
        self._keeper = ShareKeeper(fleet, self._routes, workers) if fleet else None
        self._caller = Caller(
            self._accounts, self._routes, policy, observer, draw, user_salt or secrets.token_bytes(16)
        )
        self._climber = Climber(self._accounts, self._routes, self._caller, policy, draw)
        self._spending = Spending(policy.budgets, ledger or LocalLedger(), policy.spend_rate, observer, wall)
        self._recall = Recall(policy.cache, store, wall) if policy.cache else None

    @classmethod
    def open(
        cls,
        providers: Mapping[str, ProviderSettings],
        policy: GatewayPolicy | None = None,
        *,
        observer: Observer | None = None,
        redis: RedisSettings | None = None,
    ) -> Gateway:
        """The gateway to every configured provider that has a key; with Redis, workers share quotas and answers.

        Raises UsageError when no provider has a key.
        """
        accounts = open_accounts(providers)
        if redis is None or not redis.url:
            return cls(accounts, policy, observer=observer)
        # Redis's client takes half a second to import: only those who share pay for it.
        from pipeline.llm.redis_cache import RedisAnswerStore
        from pipeline.llm.redis_fleet import RedisFleet

        return cls(
            accounts,
            policy,
            observer=observer,
            fleet=RedisFleet(redis.url, redis.namespace),
            workers=redis.workers,
            store=RedisAnswerStore(redis.url, redis.namespace),
        )

    def require(self, owner: str, tiers: Sequence[Tier], schema: Mapping[str, object] | None = None) -> None:
        """Checks a ladder at start-up. Raises UsageError that names the setting: `owner` and the tier's place.

        `schema` is the answer's, which a classifier has to fit. Models of a server of one's own are not known here and
        are not checked.
        """
        if not tiers:
            raise UsageError(f"{owner}: tiers is empty")
        today = datetime.fromtimestamp(self._wall(), UTC).date()
        for place, tier in enumerate(tiers):
            where = f"{owner}: tiers[{place}]"
            account = self._accounts.get(tier.provider)
            if account is None:
                known = ", ".join(sorted(self._accounts))
                raise UsageError(f"{where}.provider {tier.provider} has no settings or no key; there are: {known}")
            if isinstance(account.provider, LocalClassifiers):
                if objection := account.provider.objection(tier.model, schema or {}, tier.answer):
                    raise UsageError(f"{where}.model {tier.model}: {objection}")
            elif account.priced and (objection := self._caller.prices[tier.provider].objection(tier.model, today)):
                raise UsageError(f"{where}.model: {objection}")

    async def complete(self, question: Question[T], made: list[Attempt] | None = None) -> Completion[T]:
        """A valid answer, as soon as one of the question's tiers can give it.

        Every call is added to `made` as it ends: whoever pays knows of them whatever is raised here or later.
        Raises RefusalError, AnswerError, ProvidersOutError, CallError or BudgetError, each with its `attempts`;
        UsageError when a tier names a provider that the settings do not have; and what the question's own functions
        raise.
        """
        if self._keeper is not None:
            self._keeper.start()
        asking = Asking(question, self._clock, made)
        try:
            if self._recall is None:
                return await self._ask(asking)
            return await self._recall.complete(asking, self._ask)
        except (CallError, BudgetError) as error:
            if _has_stand_in(asking, error) and (safe := asking.safe()) is not None:
                return safe
            error.attempts = tuple(asking.attempts)
            raise

    def set_budgets(self, budgets: Iterable[Budget]) -> None:
        """Takes these budgets from now on; records that wait for one look again."""
        self._spending.set_budgets(budgets)

    def status(self) -> GatewayStatus:
        """Figures of every route used so far."""
        return GatewayStatus(
            self._routes.status(),
            self._keeper.sharing if self._keeper else Sharing.ALONE,
            self._recall.status() if self._recall else CacheStatus(),
            self._spending.held,
        )

    async def check(self, provider: str, timeout_s: float = 5.0) -> Reachability:
        """Whether the account named `provider` can be reached with its key; costs no tokens."""
        account = self._routes.account(provider)
        try:
            await account.provider.ping(timeout_s)
        except ProviderError as error:
            return Reachability(provider, False, str(error))
        return Reachability(provider, True)

    async def _ask(self, asking: Asking[T]) -> Completion[T]:
        """Asks, inside the budgets."""
        allowance = await self._spending.admit(asking, self._caller.expected(asking))
        try:
            return await self._climber.climb(asking)
        finally:
            self._spending.settle(allowance, asking.spent)

    async def close(self) -> None:
        """Ends all connections."""
        if self._keeper is not None:
            await self._keeper.close()
        if self._recall is not None:
            await self._recall.close()
        for route in self._routes:
            await route.close()
        for account in self._accounts.values():
            await account.provider.close()


def _has_stand_in(asking: Asking[T], error: CallError | BudgetError) -> bool:
    """The safe answer stands in for an outage, for answers that were never valid, for a spent budget: each where it is
    said so."""
    if isinstance(error, ProvidersOutError):
        return asking.question.outage is Outage.FALLBACK
    if isinstance(error, AnswerError):
        return asking.question.invalid is Invalid.FALLBACK
    return isinstance(error, BudgetError) and asking.may_stand_in
