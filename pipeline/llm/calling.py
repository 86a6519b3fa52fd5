"""One reply of one model: entering its route, retrying what passes, and writing down what it cost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from pipeline.errors import BudgetError
from pipeline.llm.asking import NOTHING_USED, Asking
from pipeline.llm.breaker import BreakerState
from pipeline.llm.budget import NOTHING, Spent
from pipeline.llm.hedging import Hedges
from pipeline.llm.observer import CallDetails, Observer
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.prices import Prices
from pipeline.llm.providers.provider import Account, Failure, ProviderError, Reply, Request
from pipeline.llm.question import Attempt, Outcome, Tier, Usage
from pipeline.llm.quota import Cost
from pipeline.llm.retry import REMEDIES, Remedy, backoff_s
from pipeline.llm.route import Route
from pipeline.llm.routes import Routes
from pipeline.llm.routing import Rung
from pipeline.llm.tokens import estimate_tokens
from pipeline.llm.underway import Pass

T = TypeVar("T")

MAX_KNOWN_TENANTS = 10_000
FREE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, how long it took, and who gave it."""

    reply: Reply
    latency_s: float
    rung: Rung


class Caller:
    """Makes calls for `Asking`s. `salt` keys the hashes that stand for tenants on the wire."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        routes: Routes,
        policy: GatewayPolicy,
        observer: Observer,
        draw: random.Random,
        salt: bytes,
    ) -> None:
        self._accounts = accounts
        self._routes = routes
        self._policy = policy
        self._observer = observer
        self._draw = draw
        self._salt = salt
        self._hedges = Hedges(policy.hedge)
        self._user_hashes: dict[str, str] = {}
        self.prices = {name: Prices(account.wire) for name, account in accounts.items()}

    async def call(self, asking: Asking[T], rung: Rung, told: str, room: int) -> Answered | None:
        """One reply of this tier's model, with quick retries. None when it cannot give one now.

        `told` is added to the user's message, `room` is what the answer may take, in tokens.
        """
        route, prompt = self._routes.of(rung.tier), asking.question.prompt
        request = Request(
            model=rung.tier.model,
            system=prompt.system,
            user=prompt.user.text + told,
            schema_name=asking.question.schema_name,
            schema=asking.question.schema,
            max_tokens=room,
            temperature=rung.tier.temperature,
            user_hash=self._user_hash(asking.question.tenant),
            record=prompt.record.text,
            answer=rung.tier.answer,
        )
        input_tokens = asking.question.estimated_tokens + (estimate_tokens(told) if told else 0)
        self._check_cap(asking, input_tokens)
        route.budget.deposit()
        retries = 0
        while True:
            granted = await self._enter(asking, route, route.expected(input_tokens, room))
            if granted is None:
                return None
            try:
                async with asyncio.timeout(asking.left_s()):
                    if self._hedges.may(asking.question.lane):
                        return await self._ask_twice(asking, rung, route, granted, request)
                    return await self._ask(asking, rung, route, granted, request)
            except TimeoutError:
                raise asking.outage() from None
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
            left_s = asking.left_s()
            if left_s is not None and left_s <= pause_s:
                raise asking.outage()
            retries += 1
            await asyncio.sleep(pause_s)

    def write_down(self, asking: Asking[T], answered: Answered, outcome: Outcome) -> None:
        """What a reply was worth, once that is known."""
        tier, usage = answered.rung.tier, answered.reply.usage
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
                self._price(tier, usage),
                reply_id=answered.reply.id,
            ),
            usage,
        )

    def expected(self, asking: Asking[T]) -> Spent:
        """What the first call of a record will probably cost."""
        if not (candidates := asking.ladder.candidates()):
            return NOTHING
        tier = candidates[0].tier
        cost = self._routes.of(tier).expected_use(asking.question.estimated_tokens, tier.max_tokens)
        usage = Usage(cost.input_tokens, 0, cost.output_tokens)
        return Spent(self._price(tier, usage), cost.input_tokens + cost.output_tokens)

    def more_room(self, asking: Asking[T], max_tokens: int) -> int:
        """What an answer that was cut off may take at its second try, in tokens: more, inside the record's cap."""
        room = round(max_tokens * self._policy.truncation_room)
        if not self._policy.max_tokens:
            return room
        return min(room, self._policy.max_tokens - asking.tokens - asking.question.estimated_tokens)

    def _price(self, tier: Tier, usage: Usage) -> Decimal:
        """US dollars; nothing at a server of one's own."""
        return self.prices[tier.provider].cost(tier.model, usage) if self._accounts[tier.provider].priced else FREE

    def _check_cap(self, asking: Asking[T], input_tokens: int) -> None:
        """Answers that make the next prompt longer, or models that never answer validly, must not become a spiral."""
        spent = asking.tokens
        if asking.answers >= self._policy.max_calls or spent + input_tokens > self._policy.max_tokens > 0:
            raise BudgetError(
                f"{asking.answers} calls with {spent} tokens were made for this record, which is the most"
            )

    def _may_retry(self, route: Route, retries: int) -> bool:
        # Not as the probe of an open breaker: this record has waited once, another's turn it is.
        closed = route.breaker.state is BreakerState.CLOSED
        return closed and retries < self._policy.retry.retries and route.budget.withdraw()

    async def _enter(self, asking: Asking[T], route: Route, cost: Cost) -> Pass | None:
        with asking.in_line():
            return await route.enter(cost, asking.question.lane, asking.question.tenant)

    async def _ask_twice(
        self, asking: Asking[T], rung: Rung, route: Route, granted: Pass, request: Request
    ) -> Answered:
        """The same, and when it takes longer than usual another model beside it: the first reply counts."""
        calls = unused = [asyncio.create_task(self._ask(asking, rung, route, granted, request))]
        try:
            done, _ = await asyncio.wait(calls, timeout=self._hedges.after_s(route))
            if not done and (second := self._second(asking, rung, request)) is not None:
                calls.append(second)
            chosen = await _first_reply(calls)
            await _end(calls)
            unused = [call for call in calls if call is not chosen]
            return chosen.result()
        finally:
            await _end(calls)
            for call in unused:
                if not call.cancelled() and call.exception() is None:
                    self.write_down(asking, call.result(), Outcome.UNUSED)

    def _second(self, asking: Asking[T], rung: Rung, request: Request) -> asyncio.Task[Answered] | None:
        """A call to the next model that takes one at once."""
        for other in asking.ladder.candidates():
            route = self._routes.of(other.tier)
            if other.tier.provider == rung.tier.provider or route.account.in_process or not self._hedges.left():
                continue
            cost = route.expected(asking.question.estimated_tokens, other.tier.max_tokens)
            granted = route.enter_now(cost)
            if granted is not None:
                self._hedges.withdraw()
                hedged = replace(
                    request,
                    model=other.tier.model,
                    max_tokens=other.tier.max_tokens,
                    temperature=other.tier.temperature,
                )
                return asyncio.create_task(self._ask(asking, other, route, granted, hedged))
        return None

    async def _ask(self, asking: Asking[T], rung: Rung, route: Route, granted: Pass, request: Request) -> Answered:
        at_most = Usage(granted.cost.input_tokens, 0, request.max_tokens)
        try:
            try:
                async with granted.patience:
                    reply = await route.account.provider.ask(request, granted.timeout_s)
            except TimeoutError:
                raise ProviderError(Failure.TIMEOUT, maybe_billed=True) from None
        except ProviderError as error:
            latency_s = route.leave_failed(granted, error)
            lost = at_most if error.maybe_billed else None
            self._failed(asking, rung.tier, Outcome(error.failure), error.status, latency_s, lost)
            raise
        except BaseException:
            latency_s = route.leave_cancelled(granted, overdue=asking.left_s() == 0)
            self._failed(asking, rung.tier, Outcome.CANCELLED, None, latency_s, at_most)
            raise
        return Answered(reply, route.leave(granted, reply), rung)

    def _failed(
        self, asking: Asking[T], tier: Tier, outcome: Outcome, status: int | None, latency_s: float, lost: Usage | None
    ) -> None:
        """`lost` is what may be billed although no answer came."""
        attempt = Attempt(tier.provider, tier.model, tier.name, outcome, status, latency_s)
        if lost is not None:
            attempt = replace(
                attempt,
                maybe_billed=True,
                unsettled_usd=self._price(tier, lost),
                unsettled_tokens=lost.input_tokens + lost.output_tokens,
            )
        self._record(asking, attempt, NOTHING_USED)

    def _record(self, asking: Asking[T], attempt: Attempt, usage: Usage) -> None:
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

    def _user_hash(self, tenant: str) -> str:
        found = self._user_hashes.get(tenant)
        if found is None:
            if len(self._user_hashes) >= MAX_KNOWN_TENANTS:
                self._user_hashes.clear()
            digest = hmac.new(self._salt, tenant.encode("utf-8", "replace"), hashlib.sha256)
            found = self._user_hashes[tenant] = digest.hexdigest()[:32]
        return found


async def _first_reply(calls: Sequence[asyncio.Task[Answered]]) -> asyncio.Task[Answered]:
    """The first of them that brings a reply; the first one made when none does."""
    pending = set(calls)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for call in calls:
            if call in done and call.exception() is None:
                return call
    return calls[0]


async def _end(calls: Sequence[asyncio.Task[Answered]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
