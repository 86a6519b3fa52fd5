"""When a model is not asked because it has been failing, and who may try it again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """CLOSED: calls go through. OPEN: none. HALF_OPEN: one probe is on its way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The numbers of a circuit breaker. Times are in seconds."""

    consecutive_failures: int = 5
    """So many failed or slow calls with no success between open it, however long they took to come."""
    window_s: float = 20.0
    min_calls: int = 20
    """Shares are judged from so many calls in the window."""
    failure_share: float = 0.5
    slow_share: float = 0.8
    slow_factor: float = 2.0
    """A call is slow after so many times what 99 of 100 calls take, but not before `slow_min_s`. It counts when that
    time is over, not when it ends: a provider that hangs is found out before its timeouts. When the breaker opens,
    calls that are slow are given up and asked elsewhere."""
    slow_min_s: float = 2.0
    slow_unknown_s: float = 20.0
    """What counts as slow before the model's first answer, when nobody knows what it usually takes."""
    open_s: float = 0.5
    """How long the first opening lasts; each failed probe multiplies it by `growth`, up to `max_open_s`."""
    growth: float = 2.0
    max_open_s: float = 6.0
    awaited_open_s: float = 3.0
    """The longest opening while calls wait for this model because no other can be asked."""
    ping_s: float = 1.0
    """How often an open breaker's provider is pinged, at no cost, to find out that it is back before the next probe."""
    locked_out_s: float = 30.0
    """How long it stays open after a failure that only a person can mend: key, permission, model, spend limit."""


class Breaker:
    """The circuit breaker of one model at one provider. `now` is monotonic, in seconds.

    A call asks `admit` for a ticket and hands it back with `succeeded`, `failed` or `abandoned`. Tickets carry the
    generation in which they were given: results of calls that began before the last change of state are dropped.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self.opened = 0
        """How often it went from closed to open."""
        self.probe_at = 0.0
        """While OPEN: when the next probe is let through."""
        self._opened_at = 0.0
        self._locked_out = False
        self._generation = 0
        self._consecutive = 0
        self._open_s = policy.open_s
        self._buckets: deque[list[float]] = deque()
        self._calls = self._failures = self._slow = 0

    def admit(self, now: float) -> int | None:
        """A ticket when a call may go now, else None."""
        if self.state is BreakerState.CLOSED:
            return self._generation
        if self.state is BreakerState.OPEN and now >= self.probe_at:
            self._change(BreakerState.HALF_OPEN)
            return self._generation
        return None

    def succeeded(self, now: float, ticket: int) -> None:
        """The model answered, whatever the answer is worth: 429 and rejected requests are no failures of the model."""
        if ticket != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._open_s = self.policy.open_s
            self._change(BreakerState.CLOSED)
            return
        self._consecutive = 0
        self._count(now, failed=False, slow=False)

    def slowed(self, now: float, ticket: int) -> None:
        """A call has been on its way for too long; how it ends is told too."""
        if ticket != self._generation or self.state is not BreakerState.CLOSED:
            return
        self._consecutive += 1
        self._count(now, failed=False, slow=True)
        share_passed = self._calls >= self.policy.min_calls and self._slow >= self.policy.slow_share * self._calls
        if self._consecutive >= self.policy.consecutive_failures or share_passed:
            self._open(now, self._open_s)

    def failed(self, now: float, ticket: int) -> None:
        """The call failed on the model's side."""
        if ticket != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._open_s = min(self._open_s * self.policy.growth, self.policy.max_open_s)
            self._open(now, self._open_s)
            return
        self._consecutive += 1
        self._count(now, failed=True, slow=False)
        share_passed = self._calls >= self.policy.min_calls and (
            self._failures >= self.policy.failure_share * self._calls
        )
        if self._consecutive >= self.policy.consecutive_failures or share_passed:
            self._open(now, self._open_s)

    def awaited(self) -> None:
        """Calls wait for this model and no other can be asked: the next probe goes earlier."""
        if self.state is BreakerState.OPEN and not self._locked_out:
            self.probe_at = min(self.probe_at, self._opened_at + self.policy.awaited_open_s)

    def seen_alive(self, now: float) -> None:
        """The provider can be reached again: the next probe goes at once."""
        if self.state is BreakerState.OPEN and not self._locked_out:
            self.probe_at = now

    def locked_out(self, now: float) -> None:
        """A person has to mend something first: open at once, and try rarely."""
        self._open(now, self.policy.locked_out_s)
        self._locked_out = True

    def abandoned(self, now: float, ticket: int) -> None:
        """The call ended without telling anything of the model (it was cancelled): a probe's place is free."""
        if ticket == self._generation and self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
            self.probe_at = now
            self._generation += 1

    def _open(self, now: float, for_s: float) -> None:
        if self.state is BreakerState.CLOSED:
            self.opened += 1
        self._locked_out = False
        self._opened_at = now
        self.probe_at = now + for_s
        self._change(BreakerState.OPEN)

    def _change(self, state: BreakerState) -> None:
        self.state = state
        self._generation += 1
        self._consecutive = 0
        self._buckets.clear()
        self._calls = self._failures = self._slow = 0

    def _count(self, now: float, *, failed: bool, slow: bool) -> None:
        width = self.policy.window_s / 10
        while self._buckets and self._buckets[0][0] <= now - self.policy.window_s:
            _, calls, failures, slows = self._buckets.popleft()
            self._calls -= int(calls)
            self._failures -= int(failures)
            self._slow -= int(slows)
        if not self._buckets or now - self._buckets[-1][0] >= width:
            self._buckets.append([now, 0, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += 1
        bucket[2] += failed
        bucket[3] += slow
        self._calls += 1
        self._failures += failed
        self._slow += slow
