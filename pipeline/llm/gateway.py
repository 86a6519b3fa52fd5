"""One model-agnostic call: `await gateway.complete(question)`."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from pipeline.errors import AnswerError, CallError, ProvidersOutError
from pipeline.llm.accounts import open_accounts
from pipeline.llm.answers import correction, decode
from pipeline.llm.asking import Asking
from pipeline.llm.breaker import BreakerState
from pipeline.llm.fleet import FIRST_SHARE, Fleet, ShareKeeper
from pipeline.llm.observer import CallDetails, Observer, Unobserved
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.prices import Prices
from pipeline.llm.providers.provider import Account, ProviderError, Reachability, Reply, Request, Stop
from pipeline.llm.question import Attempt, Completion, InvalidAnswerError, Outage, Outcome, Question, Tier, Usage
from pipeline.llm.quota import Cost
from pipeline.llm.retry import REMEDIES, Remedy, backoff_s
from pipeline.llm.route import Pass, Route
from pipeline.llm.routes import Routes
from pipeline.llm.routing import Rung
from pipeline.llm.status import GatewayStatus, Sharing
from pipeline.llm.tokens import estimate_tokens
from pipeline.settings import ProviderSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_KNOWN_TENANTS = 10_000
NOTHING_USED = Usage()


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
        user_salt: bytes | None = None,
    ) -> None:
        """`accounts` by the names that tiers use; `fleet` when other workers use them too. `user_salt` keys the hashes
        of tenants; random when not given."""
        self._accounts = dict(accounts)
        self._policy = policy or GatewayPolicy()
        self._observer = observer or Unobserved()
        self._clock = clock
        self._draw = draw or random.Random()
        self._salt = user_salt or secrets.token_bytes(16)
        self._user_hashes: dict[str, str] = {}
        self._routes = Routes(self._accounts, self._policy, self._observer, clock, FIRST_SHARE if fleet else 1.0)
        self._keeper = ShareKeeper(fleet, self._routes) if fleet else None
        self._prices = {name: Prices(account.wire) for name, account in accounts.items()}

    @classmethod
    def open(
        cls,
        providers: Mapping[str, ProviderSettings],
        policy: GatewayPolicy | None = None,
        *,
        observer: Observer | None = None,
    ) -> Gateway:
        """The gateway to every configured provider that has a key. Raises UsageError when none has."""
        return cls(open_accounts(providers), policy, observer=observer)

    async def complete(self, question: Question[T]) -> Completion[T]:
        """A valid answer, as soon as one of the question's tiers can give it.

        Raises RefusalError, AnswerError, ProvidersOutError or CallError, each with its `attempts`; UsageError when a
        tier names a provider that the settings do not have.
        """
        if self._keeper is not None:
            self._keeper.start()
        asking = Asking(question, self._clock())
        try:
            return await self._climb(asking)
        except CallError as error:
            stands_in = isinstance(error, AnswerError) or (
                isinstance(error, ProvidersOutError) and question.outage is Outage.FALLBACK
            )
            if stands_in and (safe := asking.safe()) is not None:
                return safe
            error.attempts = tuple(asking.attempts)
            raise

    def status(self) -> GatewayStatus:
        """Figures of every route used so far."""
        return GatewayStatus(self._routes.status(), self._keeper.sharing if self._keeper else Sharing.ALONE)

    async def check(self, provider: str, timeout_s: float = 5.0) -> Reachability:
        """Whether the account named `provider` can be reached with its key; costs no tokens."""
        account = self._routes.account(provider)
        try:
            await account.provider.ping(timeout_s)
        except ProviderError as error:
            return Reachability(provider, False, str(error))
        return Reachability(provider, True)

    async def close(self) -> None:
        """Ends all connections."""
        if self._keeper is not None:
            await self._keeper.close()
        for route in self._routes:
            await route.close()
        for account in self._accounts.values():
            await account.provider.close()

    async def _climb(self, asking: Asking[T]) -> Completion[T]:
        """Up the ladder until an answer is good enough or nobody is left."""
        while (rung := await self._next_rung(asking)) is not None:
            found = await self._ask_tier(asking, rung)
            if found is None:
                continue
            tier = rung.tier
            answer = found[0]
            simulated = self._accounts[tier.provider].simulated
            if not self._unsure(asking.question, answer, tier) or not asking.ladder.stronger(rung):
                return asking.completion(answer, tier, simulated=simulated)
            asking.kept = (answer, tier, simulated)
            asking.ladder.rule_out(rung)
        if asking.kept is not None:
            answer, tier, simulated = asking.kept
            return asking.completion(answer, tier, simulated=simulated)
        raise asking.end()

    async def _next_rung(self, asking: Asking[T]) -> Rung | None:
        """The best tier that may be asked now; waits while all are out. None when none is left to ask.

        With a valid answer in hand nobody is waited for, and only stronger tiers are worth a call.
        """
        while True:
            candidates = asking.ladder.candidates()
            up = [rung for rung in candidates if self._routes.of(rung.tier).available()]
            fresh = [rung for rung in up if rung.place not in asking.resting]
            if asking.kept is not None:
                return next((rung for rung in fresh if asking.ladder.above(rung)), None)
            if fresh:
                return fresh[0]
            if not candidates:
                return None
            asking.resting.clear()
            if up:
                await self._rest(asking)
            else:
                await self._park(asking, candidates)

    async def _park(self, asking: Asking[T], candidates: list[Rung]) -> None:
        """Waits until one of the candidates' providers may be back."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for route in {id(route): route for route in (self._routes.of(rung.tier) for rung in candidates)}.values():
            route.park(waiter)
        try:
            async with asyncio.timeout(asking.left_s(self._clock())):
                await waiter
        except TimeoutError:
            raise asking.outage() from None
        finally:
            waiter.cancel()

    async def _rest(self, asking: Asking[T]) -> None:
        """Every tier failed this record in turn though it is up: a longer pause, then from the top."""
        if asking.failures >= self._policy.retry.failures:
            raise CallError("models that answer others failed on this request each time")
        pause_s = backoff_s(self._policy.retry, asking.failures, None, self._draw)
        left_s = asking.left_s(self._clock())
        if left_s is not None and left_s <= pause_s:
            raise asking.outage()
        await asyncio.sleep(pause_s)

    async def _ask_tier(self, asking: Asking[T], rung: Rung) -> tuple[T] | None:
        """Asks one tier until it answers validly. None when the record has to go on to another."""
        tier, question = rung.tier, asking.question
        told, corrections, room = "", 0, tier.max_tokens
        while True:
            answered = await self._call(asking, rung, told, room)
            if answered is None:
                return None
            stop = answered.reply.stop
            if stop is Stop.REFUSAL:
                self._answered(asking, tier, answered, Outcome.REFUSED)
                asking.ladder.rule_out_provider(rung)
                return None
            if stop is Stop.LENGTH:
                self._answered(asking, tier, answered, Outcome.TRUNCATED)
                if room > tier.max_tokens:
                    asking.ladder.rule_out(rung)
                    return None
                room = round(tier.max_tokens * self._policy.truncation_room)
                continue
            try:
                answer = question.read(decode(answered.reply.text))
            except InvalidAnswerError as error:
                self._answered(asking, tier, answered, Outcome.INVALID)
                if corrections >= self._policy.corrections:
                    asking.ladder.rule_out(rung)
                    return None
                corrections += 1
                told = correction(error.problems)
                continue
            unsure = self._unsure(question, answer, tier)
            self._answered(asking, tier, answered, Outcome.UNSURE if unsure else Outcome.ANSWERED)
            return (answer,)

    async def _call(self, asking: Asking[T], rung: Rung, told: str, room: int) -> _Answered | None:
        """One reply of this tier's model, with quick retries. None when it cannot give one now."""
        route, prompt = self._routes.of(rung.tier), asking.question.prompt
        request = self._request(asking.question, rung.tier, told, room)
        input_tokens = prompt.estimated_tokens + (estimate_tokens(told) if told else 0)
        route.budget.deposit()
        retries = 0
        while True:
            granted = await self._enter(asking, route, route.expected(input_tokens, room))
            if granted is None:
                return None
            try:
                return await self._ask(asking, rung.tier, route, granted, request)
            except ProviderError as error:
                remedy = REMEDIES[error.failure]
                if remedy is Remedy.ELSEWHERE:
                    asking.ladder.rule_out_provider(rung)
                if remedy is not Remedy.RETRY:
                    return None
                if route.breaker.state is BreakerState.CLOSED:
                    asking.failures += 1
                if not self._may_retry(route, retries):
                    asking.resting.add(rung.place)
                    return None
                pause_s = backoff_s(self._policy.retry, retries, error.limits.retry_after_s, self._draw)
            retries += 1
            await asyncio.sleep(pause_s)

    def _request(self, question: Question[T], tier: Tier, told: str, room: int) -> Request:
        return Request(
            model=tier.model,
            system=question.prompt.system,
            user=question.prompt.user.text + told,
            schema_name=question.schema_name,
            schema=question.schema,
            max_tokens=room,
            temperature=tier.temperature,
            user_hash=self._user_hash(question.tenant),
        )

    def _may_retry(self, route: Route, retries: int) -> bool:
        return retries < self._policy.retry.retries and route.available() and route.budget.withdraw()

    async def _enter(self, asking: Asking[T], route: Route, cost: Cost) -> Pass | None:
        question = asking.question
        left_s = asking.left_s(self._clock())
        if left_s is None:
            return await route.enter(cost, question.lane, question.tenant)
        try:
            async with asyncio.timeout(left_s):
                return await route.enter(cost, question.lane, question.tenant)
        except TimeoutError:
            raise asking.outage() from None

    async def _ask(self, asking: Asking[T], tier: Tier, route: Route, granted: Pass, request: Request) -> _Answered:
        try:
            reply = await route.account.provider.ask(request, granted.timeout_s)
        except ProviderError as error:
            latency_s = route.leave_failed(granted, error)
            self._record(
                asking, Attempt(tier.provider, tier.model, tier.name, Outcome(error.failure), error.status, latency_s)
            )
            raise
        except BaseException:
            route.leave_cancelled(granted)
            raise
        return _Answered(reply, route.leave(granted, reply))

    def _answered(self, asking: Asking[T], tier: Tier, answered: _Answered, outcome: Outcome) -> None:
        usage = answered.reply.usage
        priced = self._accounts[tier.provider].priced
        self._record(
            asking,
            Attempt(
                tier.provider,
                tier.model,
                tier.name,
                outcome,
                200,
                answered.latency_s,
                usage.input_tokens,
                usage.output_tokens,
                self._prices[tier.provider].cost(tier.model, usage) if priced else Decimal(0),
            ),
            usage,
        )

    def _record(self, asking: Asking[T], attempt: Attempt, usage: Usage = NOTHING_USED) -> None:
        asking.record(attempt, usage)
        self._routes.count(attempt)
        question = asking.question
        self._observer.called(
            CallDetails(
                question.enrichment,
                question.tenant,
                question.prompt.version,
                attempt,
                usage.cached_tokens,
                usage.reasoning_tokens,
            )
        )

    def _unsure(self, question: Question[T], answer: T, tier: Tier) -> bool:
        below = tier.escalate_below
        return below is not None and question.confidence is not None and question.confidence(answer) < below

    def _user_hash(self, tenant: str) -> str:
        found = self._user_hashes.get(tenant)
        if found is None:
            if len(self._user_hashes) >= MAX_KNOWN_TENANTS:
                self._user_hashes.clear()
            digest = hmac.new(self._salt, tenant.encode("utf-8", "replace"), hashlib.sha256)
            found = self._user_hashes[tenant] = digest.hexdigest()[:32]
        return found


@dataclass(frozen=True, slots=True)
class _Answered:
    reply: Reply
    latency_s: float
