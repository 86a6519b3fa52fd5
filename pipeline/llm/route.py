"""The way to one model at one provider: its breaker, its quota, its places, and who waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pipeline.llm.breaker import Breaker, BreakerPolicy, BreakerState
from pipeline.llm.concurrency import AdaptiveLimit
from pipeline.llm.observer import BreakerChange, Observer, Throttle
from pipeline.llm.providers.provider import Account, Failure, ProviderError, Reply
from pipeline.llm.quantile import Quantile
from pipeline.llm.question import Lane
from pipeline.llm.queue import FairQueue
from pipeline.llm.quota import Cost, Quota
from pipeline.llm.retry import REMEDIES, Remedy, RetryBudget
from pipeline.llm.underway import Pass, Underway

MIN_PROBE_TIMEOUT_S = 2.0
"""A probe is not waited for longer than a call that is slow: a provider that hangs must not hide that it is back."""
PING_TIMEOUT_S = 1.0
RECOVERY_TICK_S = 0.1
TIMER_S = 0.001
"""No timer is set for less: several who wait go at once instead."""


class Route:
    """Calls enter, are made by the caller, and leave. Nothing here sleeps: those who wait are woken by a timer.

    While the breaker is open, calls that cannot go elsewhere are parked: each probe wakes one of them, and when it
    succeeds every success wakes two more, so that a provider that has just come back is not run over.
    """

    def __init__(
        self,
        name: str,
        model: str,
        account: Account,
        quota: Quota,
        breaker_policy: BreakerPolicy,
        budget: RetryBudget,
        queue: FairQueue,
        places: AdaptiveLimit | None,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        """`places` finds out how many calls the server takes; without it the account's `max_concurrency` holds."""
        self.provider = name
        self.model = model
        self.account = account
        self.breaker = Breaker(breaker_policy)
        self.budget = budget
        self.quota = quota
        self.running = 0
        self._queue = queue
        self._places = places
        self._parked: deque[asyncio.Future[None]] = deque()
        self._underway = Underway(breaker_policy, clock, self._slowed)
        self._observer = observer
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._output_tokens = Quantile(0.95)
        self._watch: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for quota or a place."""
        return len(self._queue)

    @property
    def parked(self) -> int:
        """Calls that wait for the provider to come back."""
        return sum(not waiter.done() for waiter in self._parked)

    @property
    def places(self) -> int:
        """How many calls may be on their way at once."""
        return self._places.limit if self._places else self.account.max_concurrency

    @property
    def usual_latency_s(self) -> float | None:
        """What 19 of 20 calls take; None before the first."""
        return self._underway.usual_s

    def available(self) -> bool:
        """True when a call may go, or queue, here now."""
        breaker = self.breaker
        if breaker.state is BreakerState.CLOSED:
            return True
        return breaker.state is BreakerState.OPEN and self._clock() >= breaker.probe_at

    def expected(self, input_tokens: int, max_tokens: int) -> Cost:
        """What the provider's quota will count a call at."""
        if self.account.charges_max_tokens:
            return Cost(input_tokens, max_tokens)
        return self.expected_use(input_tokens, max_tokens)

    def expected_use(self, input_tokens: int, max_tokens: int) -> Cost:
        """What a call will probably use: its prompt, and an output that 19 of 20 answers stay below."""
        usual = self._output_tokens.value
        return Cost(input_tokens, max_tokens if usual is None else min(max_tokens, round(usual)))

    def demand(self) -> float:
        """What this worker could use of the whole quota soon, as a share."""
        return self.quota.demand(self._clock(), self._queue.cost, len(self._queue))

    def set_share(self, share: float) -> None:
        """This worker's part of the whole quota, from 0 to 1."""
        self.quota.set_share(share)
        self._retime()

    async def enter(self, cost: Cost, lane: Lane, tenant: str) -> Pass | None:
        """Waits for quota and a place. None when the breaker opened meanwhile: ask elsewhere."""
        self._underway.mark_slow()
        if len(self._queue) or self.running >= self.places or self.quota.reserve(self._clock(), cost):
            admitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._queue.push(lane, tenant, cost, admitted)
            self._admit()
            try:
                if not await admitted:
                    return None
            except asyncio.CancelledError:
                if admitted.done() and not admitted.cancelled() and admitted.result():
                    self._unused(cost)
                raise
        else:
            self.running += 1
        return self._granted(cost)

    def enter_now(self, cost: Cost) -> Pass | None:
        """Leave to make a call if there is room at once and the breaker is closed."""
        if self.breaker.state is not BreakerState.CLOSED or len(self._queue) or self.running >= self.places:
            return None
        if self.quota.reserve(self._clock(), cost):
            return None
        self.running += 1
        return self._granted(cost)

    def leave(self, granted: Pass, reply: Reply) -> float:
        """The call brought a reply. Returns how long it took, in seconds."""
        granted.ended = True
        now, before = self._clock(), self.breaker.state
        latency_s = now - granted.started
        actual = Cost(reply.usage.input_tokens - reply.usage.cached_tokens, reply.usage.output_tokens)
        self._output_tokens.add(max(1, actual.output_tokens))
        self._underway.answered(latency_s)
        if self._places is not None:
            self._places.answered(latency_s, self.running)
        self.quota.settle(granted.cost, actual)
        self.quota.observe(now, reply.limits, granted.started)
        self._underway.mark_slow()
        self.breaker.succeeded(now, granted.ticket)
        self._left(granted, before)
        self._wake(2)
        return latency_s

    def leave_failed(self, granted: Pass, error: ProviderError) -> float:
        """The call failed. Returns how long it took, in seconds."""
        granted.ended = True
        now, before = self._clock(), self.breaker.state
        alert: Failure | None = None
        self.quota.observe(now, error.limits, granted.started)
        match REMEDIES[error.failure]:
            case Remedy.PAUSE:
                self.quota.refund(granted.cost)
                pause_s = self.quota.pause(now, error.limits, granted.started)
                self.breaker.succeeded(now, granted.ticket)
                self._observer.throttled(Throttle(self.provider, self.model, pause_s))
            case Remedy.RETRY:
                if not error.maybe_billed:
                    self.quota.refund(granted.cost)
                if self._places is not None:
                    self._places.failed()
                if error.status is not None and error.status < 500:
                    # It answers, if only to say that this request came at a bad moment (408, 409, 425).
                    self.breaker.succeeded(now, granted.ticket)
                else:
                    self.breaker.failed(now, granted.ticket)
            case Remedy.ELSEWHERE:
                self.breaker.succeeded(now, granted.ticket)
            case Remedy.LOCK_OUT:
                alert = error.failure
                self.quota.refund(granted.cost)
                self.breaker.locked_out(now)
        self._left(granted, before, alert)
        return now - granted.started

    def leave_cancelled(self, granted: Pass, *, overdue: bool = False) -> float:
        """The caller gave up: the provider may have counted the call, so its cost stays taken. Returns seconds.

        `overdue`: because the record's own time was over.
        """
        granted.ended = True
        self._underway.mark_slow()
        now, before = self._clock(), self.breaker.state
        away_s = self._underway.away_s(granted)
        if overdue and self._underway.usual_s is None and away_s > self.breaker.policy.slow_min_s:
            # A model that has never answered, and will not have the time to show how slow it is.
            self.breaker.slowed(now, granted.ticket)
        self.breaker.abandoned(now, granted.ticket)
        self._left(granted, before)
        return now - granted.started

    def park(self, waiter: asyncio.Future[None]) -> None:
        """`waiter` is woken when a call may be tried here again. It may be parked at other routes too."""
        while self._parked and self._parked[0].done():
            self._parked.popleft()
        self._parked.append(waiter)
        self.breaker.awaited()
        self._admit()

    async def close(self) -> None:
        """Ends what runs in the background."""
        self._underway.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def _granted(self, cost: Cost) -> Pass | None:
        now, before = self._clock(), self.breaker.state
        ticket = self.breaker.admit(now)
        if ticket is None:
            self._unused(cost)
            return None
        self._report(before)
        return self._underway.begin(cost, ticket, self._timeout_s())

    def _timeout_s(self) -> float:
        if self.breaker.state is not BreakerState.HALF_OPEN or self._underway.usual_s is None:
            return self.account.timeout_s
        return min(self.account.timeout_s, max(MIN_PROBE_TIMEOUT_S, self._underway.slow_after_s))

    def _slowed(self, granted: Pass) -> None:
        """A call has been away for too long."""
        before = self.breaker.state
        self.breaker.slowed(self._clock(), granted.ticket)
        if self.breaker.state is not before:
            self._turned(before)

    def _left(self, granted: Pass, before: BreakerState, alert: Failure | None = None) -> None:
        self.running -= 1
        self._underway.end(granted)
        if self.breaker.state is not before:
            self._turned(before, alert)
        self._admit()

    def _turned(self, before: BreakerState, alert: Failure | None = None) -> None:
        """The breaker has changed its state: when it opened, those in the queue go elsewhere."""
        self._report(before, alert)
        if self.breaker.state is BreakerState.OPEN:
            for waiting in self._queue.clear():
                waiting.admitted.set_result(False)
            if self._parked:
                self.breaker.awaited()
            self._underway.give_up_slow(lambda: self.breaker.state is not BreakerState.CLOSED)
            if alert is None and (self._watch is None or self._watch.done()):
                self._watch = asyncio.get_running_loop().create_task(self._watch_for_return())

    async def _watch_for_return(self) -> None:
        """Pings while the breaker is open: a provider that could not be reached and now can be is probed at once."""
        policy, was_away = self.breaker.policy, False
        while self.breaker.state is not BreakerState.CLOSED:
            await asyncio.sleep(policy.ping_s)
            try:
                await self.account.provider.ping(PING_TIMEOUT_S)
            except ProviderError:
                was_away = True
                continue
            if was_away and self.breaker.state is BreakerState.OPEN:
                was_away = False
                self.breaker.seen_alive(self._clock())
                self._retime()

    def _unused(self, cost: Cost) -> None:
        self.running -= 1
        self.quota.refund(cost)
        self._admit()

    def _admit(self) -> None:
        """Lets in whoever can go now, and sets the timer for the next."""
        now = self._clock()
        while (head := self._queue.head()) is not None and self.running < self.places:
            wait_s = self.quota.reserve(now, head.cost)
            if wait_s > 0:
                self._wake_at(now + wait_s)
                return
            self._queue.pop()
            self.running += 1
            head.admitted.set_result(True)
        if self._parked and self.breaker.state is BreakerState.OPEN:
            self._wake_at(self.breaker.probe_at)
        elif self._parked and self.breaker.state is BreakerState.CLOSED:
            # Should those woken have gone elsewhere or been cancelled, the rest are not forgotten.
            self._wake_at(now + RECOVERY_TICK_S)

    def _retime(self) -> None:
        """What the timer was set for has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._admit()

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            if self._timer_at <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_at = when
        delay_s = max(TIMER_S, when - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.available():
            self._wake(1)
        self._admit()

    def _wake(self, count: int) -> None:
        while self._parked and count:
            waiter = self._parked.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _report(self, before: BreakerState, alert: Failure | None = None) -> None:
        after = self.breaker.state
        if after is not before:
            self._observer.breaker_changed(
                BreakerChange(self.provider, self.model, before, after, str(alert) if alert else "")
            )
