"""The way to one model at one provider: its breaker, its quota, its places, and who waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.llm.breaker import Breaker, BreakerPolicy, BreakerState
from pipeline.llm.observer import BreakerChange, Observer, Throttle
from pipeline.llm.providers.provider import Account, Failure, ProviderError, Reply
from pipeline.llm.question import Lane
from pipeline.llm.queue import FairQueue
from pipeline.llm.quota import Cost, Quota
from pipeline.llm.retry import REMEDIES, Remedy, RetryBudget

PROBE_PATIENCE = 4.0
"""A probe may take this many times the usual latency; a provider that hangs must not hide that it is back."""
MIN_PROBE_TIMEOUT_S = 2.0
RECOVERY_TICK_S = 0.1
TIMER_S = 0.001
"""No timer is set for less: several who wait go at once instead."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to make one call now: what was reserved for it, the breaker's ticket, and how long it may take."""

    cost: Cost
    ticket: int
    timeout_s: float


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
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self.provider = name
        self.model = model
        self.account = account
        self.breaker = Breaker(breaker_policy)
        self.budget = budget
        self.quota = quota
        self.running = 0
        self._queue = queue
        self._parked: deque[asyncio.Future[None]] = deque()
        self._observer = observer
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._expected_output: float | None = None
        self._latency_s: float | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for quota or a place."""
        return len(self._queue)

    @property
    def parked(self) -> int:
        """Calls that wait for the provider to come back."""
        return sum(not waiter.done() for waiter in self._parked)

    def available(self) -> bool:
        """True when a call may go, or queue, here now."""
        breaker = self.breaker
        if breaker.state is BreakerState.CLOSED:
            return True
        return breaker.state is BreakerState.OPEN and self._clock() >= breaker.probe_at

    def expected(self, input_tokens: int, max_tokens: int) -> Cost:
        """What a call will probably take: its prompt, and an output that 19 of 20 answers stay below."""
        if self.account.charges_max_tokens or self._expected_output is None:
            return Cost(input_tokens, max_tokens)
        return Cost(input_tokens, round(min(max_tokens, self._expected_output)))

    def demand(self) -> float:
        """What this worker could use of the whole quota soon, as a share."""
        return self.quota.demand(self._clock(), self._queue.cost, len(self._queue))

    def set_share(self, share: float) -> None:
        """This worker's part of the whole quota, from 0 to 1."""
        self.quota.set_share(share)
        self._retime()

    async def enter(self, cost: Cost, lane: Lane, tenant: str) -> Pass | None:
        """Waits for quota and a place. None when the breaker opened meanwhile: ask elsewhere."""
        if len(self._queue) or self.running >= self.account.max_concurrency or self.quota.reserve(self._clock(), cost):
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
        before = self.breaker.state
        ticket = self.breaker.admit(self._clock())
        if ticket is None:
            self._unused(cost)
            return None
        self._report(before)
        return Pass(cost, ticket, self._timeout_s())

    def leave(self, granted: Pass, reply: Reply, latency_s: float) -> None:
        """The call brought a reply."""
        actual = Cost(reply.usage.input_tokens - reply.usage.cached_tokens, reply.usage.output_tokens)
        self._learn_output(actual.output_tokens)
        self._latency_s = latency_s if self._latency_s is None else 0.9 * self._latency_s + 0.1 * latency_s
        self.quota.settle(granted.cost, actual)
        self.quota.observe(self._clock(), reply.limits)
        before = self.breaker.state
        self.breaker.succeeded(self._clock(), granted.ticket, latency_s)
        self._left(before)
        self._wake(2)

    def leave_failed(self, granted: Pass, error: ProviderError, latency_s: float) -> None:
        """The call failed."""
        now = self._clock()
        before = self.breaker.state
        self.quota.observe(now, error.limits)
        match REMEDIES[error.failure]:
            case Remedy.PAUSE:
                self.quota.refund(granted.cost)
                pause_s = self.quota.pause(now, error.limits)
                self.breaker.succeeded(now, granted.ticket, 0.0)
                self._observer.throttled(Throttle(self.provider, self.model, pause_s))
            case Remedy.RETRY:
                if not error.maybe_billed:
                    self.quota.refund(granted.cost)
                self.breaker.failed(now, granted.ticket)
            case Remedy.ELSEWHERE:
                self.breaker.succeeded(now, granted.ticket, latency_s)
            case Remedy.LOCK_OUT:
                self.quota.refund(granted.cost)
                self.breaker.locked_out(now)
        self._left(before, error.failure if REMEDIES[error.failure] is Remedy.LOCK_OUT else None)

    def leave_cancelled(self, granted: Pass) -> None:
        """The caller gave up: the provider may have counted the call, so its cost stays taken."""
        before = self.breaker.state
        self.breaker.abandoned(self._clock(), granted.ticket)
        self._left(before)

    def park(self, waiter: asyncio.Future[None]) -> None:
        """`waiter` is woken when a call may be tried here again. It may be parked at other routes too."""
        while self._parked and self._parked[0].done():
            self._parked.popleft()
        self._parked.append(waiter)
        self._admit()

    def _timeout_s(self) -> float:
        if self.breaker.state is not BreakerState.HALF_OPEN or self._latency_s is None:
            return self.account.timeout_s
        return min(self.account.timeout_s, max(MIN_PROBE_TIMEOUT_S, PROBE_PATIENCE * self._latency_s))

    def _left(self, before: BreakerState, alert: Failure | None = None) -> None:
        self.running -= 1
        self._report(before, alert)
        if self.breaker.state is not BreakerState.CLOSED:
            for waiting in self._queue.clear():
                waiting.admitted.set_result(False)
        self._admit()

    def _unused(self, cost: Cost) -> None:
        self.running -= 1
        self.quota.refund(cost)
        self._admit()

    def _admit(self) -> None:
        """Lets in whoever can go now, and sets the timer for the next."""
        now = self._clock()
        while (head := self._queue.head()) is not None and self.running < self.account.max_concurrency:
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
        """The rate has changed: whoever waits may go earlier, or later, than the timer says."""
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

    def _learn_output(self, tokens: int) -> None:
        """Follows the 95th percentile of output tokens: up 19 steps for each answer above, down one for each below."""
        if self._expected_output is None:
            self._expected_output = tokens * 1.5
            return
        step = max(1.0, self._expected_output * 0.01)
        self._expected_output += 0.95 * step if tokens > self._expected_output else -0.05 * step

    def _report(self, before: BreakerState, alert: Failure | None = None) -> None:
        after = self.breaker.state
        if after is not before:
            self._observer.breaker_changed(
                BreakerChange(self.provider, self.model, before, after, str(alert) if alert else "")
            )
