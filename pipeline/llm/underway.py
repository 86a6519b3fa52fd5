"""Calls on their way to one model: how long they usually take, and which have been away for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.llm.attention import TICK_S, Attention
from pipeline.llm.breaker import BreakerPolicy
from pipeline.llm.quantile import Quantile
from pipeline.llm.quota import Cost

GIVE_UP_S = 0.25


@dataclass(eq=False, slots=True)
class Pass:
    """Leave to make one call now: what was reserved for it, the breaker's ticket, and how long it may take.

    The call is made inside `patience`, which the route cuts short when there is nothing to hope for.
    """

    cost: Cost
    ticket: int
    timeout_s: float
    started: float
    attended: float
    """When it started, by the clock of our attention."""
    patience: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    ended: bool = False
    """True once the call is over: nobody's patience with it can be cut short any more."""


class Underway:
    """Looks at the calls on their way, and tells of each that has been away for too long, the oldest first."""

    def __init__(self, policy: BreakerPolicy, clock: Callable[[], float], slowed: Callable[[Pass], None]) -> None:
        self._policy = policy
        self._clock = clock
        self._slowed = slowed
        self._attention = Attention(clock)
        self._calls: dict[Pass, None] = {}
        self._slow: dict[Pass, None] = {}
        self._look: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._long_s = Quantile(0.99)
        self._usual_s = Quantile(0.95)

    @property
    def usual_s(self) -> float | None:
        """What 19 of 20 calls take; None before the first answer."""
        return self._usual_s.value

    @property
    def slow_after_s(self) -> float:
        """From when on a call is slow."""
        policy, long_s = self._policy, self._long_s.value
        return policy.slow_unknown_s if long_s is None else max(policy.slow_min_s, policy.slow_factor * long_s)

    def begin(self, cost: Cost, ticket: int, timeout_s: float) -> Pass:
        """A call goes out now."""
        granted = Pass(cost, ticket, timeout_s, self._clock(), self._attention.tick())
        self._calls[granted] = None
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(TICK_S, self._on_look)
        return granted

    def answered(self, latency_s: float) -> None:
        """A call brought a reply after so long."""
        self._long_s.add(latency_s)
        self._usual_s.add(latency_s)

    def end(self, granted: Pass) -> None:
        """A call is over."""
        self._calls.pop(granted, None)
        self._slow.pop(granted, None)

    def away_s(self, granted: Pass) -> float:
        """How long it has been away, in seconds of our attention."""
        return self._attention.now() - granted.attended

    def mark_slow(self) -> None:
        """Tells of those who have become slow since the last look."""
        since = self._attention.now() - self.slow_after_s
        while self._calls and (oldest := next(iter(self._calls))).attended < since:
            del self._calls[oldest]
            self._slow[oldest] = None
            self._slowed(oldest)

    def give_up_slow(self, hopeless: Callable[[], bool]) -> None:
        """While it is hopeless, who has been away for too long is better asked elsewhere."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        self.mark_slow()
        if not hopeless():
            return
        while self._slow:
            granted, _ = self._slow.popitem()
            if not granted.ended:
                granted.patience.reschedule(0)
        if self._calls:
            self._giving_up = asyncio.get_running_loop().call_later(GIVE_UP_S, self.give_up_slow, hopeless)

    def close(self) -> None:
        """Ends the looking."""
        for timer in (self._look, self._giving_up):
            if timer is not None:
                timer.cancel()

    def _on_look(self) -> None:
        self._look = None
        self._attention.tick()
        self.mark_slow()
        if self._calls:
            self._look = asyncio.get_running_loop().call_later(TICK_S, self._on_look)
