"""How much of a provider's requests and tokens a minute may be used now."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.llm.providers.provider import Limits, Window

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The quotas of one model at one account, a minute's; 0 is none. `tokens` are input and output together."""

    requests: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    burst_s: float = 10.0
    """How much unused quota is kept, in seconds of its rate: providers grant up to a minute, some by the second."""
    default_pause_s: float = 1.0
    """How long a 429 without `retry-after` pauses the pool."""
    max_pause_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call takes from the quota, estimated before and known after."""

    input_tokens: int
    output_tokens: int


class Bucket:
    """A token bucket whose level may go below zero: a request larger than the bucket is let in when it is full."""

    __slots__ = ("burst_s", "capacity", "level", "limit", "rate", "share")

    def __init__(self, limit: int, burst_s: float) -> None:
        self.burst_s = burst_s
        self.limit = limit
        self.share = 1.0
        self.rate = self.capacity = self.level = 0.0
        self._set_rate()
        self.level = self.capacity

    def refill(self, seconds: float) -> None:
        self.level = min(self.capacity, self.level + seconds * self.rate)

    def wait_s(self, cost: float) -> float:
        """How long until `cost` fits."""
        return max(0.0, (min(cost, self.capacity) - self.level) / self.rate)

    def observe(self, window: Window, seconds: float) -> None:
        """Follows the provider's own figures; `seconds` have passed since the last time.

        Others may share the account, so the rate yields by 3 % a second while under a quarter is left and comes back
        by 4 % a second while over four fifths are (steps measured with 16 workers on one quota).
        """
        if window.limit > 0 and window.limit != self.limit:
            self.limit = window.limit
            self._set_rate()
        left = window.remaining / self.limit
        if left < 0.25:
            self.share = max(0.01, self.share * (1 - 0.03 * seconds))
            self._set_rate()
        elif left > 0.8 and self.share < 1.0:
            self.share = min(1.0, self.share * (1 + 0.04 * seconds))
            self._set_rate()
        self.level = min(self.level, float(window.remaining))

    def _set_rate(self) -> None:
        self.rate = self.limit * self.share / MINUTE_S
        self.capacity = max(1.0, self.rate * self.burst_s)
        self.level = min(self.level, self.capacity)


class Quota:
    """The quota of one model at one account: reserve before a call, settle after it. `now` is monotonic, in seconds."""

    def __init__(self, policy: QuotaPolicy, now: float) -> None:
        self.policy = policy
        self.paused_until = 0.0
        self._requests = _bucket(policy.requests, policy)
        self._tokens = _bucket(policy.tokens, policy)
        self._input = _bucket(policy.input_tokens, policy)
        self._output = _bucket(policy.output_tokens, policy)
        self._refilled = now
        self._observed = now

    def reserve(self, now: float, cost: Cost) -> float:
        """0 when the call may go, and its cost is taken; otherwise how many seconds to wait, and nothing is taken."""
        wait = self.paused_until - now
        self._refill(now)
        for bucket, need in self._needs(cost):
            wait = max(wait, bucket.wait_s(need))
        if wait > 0:
            return wait
        for bucket, need in self._needs(cost):
            bucket.level -= need
        return 0.0

    def settle(self, reserved: Cost, actual: Cost) -> None:
        """After a call that the provider counted: the difference goes back, or is taken."""
        difference = Cost(reserved.input_tokens - actual.input_tokens, reserved.output_tokens - actual.output_tokens)
        self._give_back(difference, requests=0)

    def refund(self, reserved: Cost) -> None:
        """After a call that was never made, or that the provider refused to count."""
        self._give_back(reserved, requests=1)

    def observe(self, now: float, limits: Limits) -> None:
        """Follows the headers of a response."""
        seconds = min(1.0, now - self._observed)
        self._observed = now
        for name, window in (
            ("_requests", limits.requests),
            ("_tokens", limits.tokens),
            ("_input", limits.input_tokens),
            ("_output", limits.output_tokens),
        ):
            bucket: Bucket | None = getattr(self, name)
            if window is not None and bucket is not None:
                bucket.observe(window, seconds)

    def pause(self, now: float, limits: Limits) -> float:
        """After a 429: nobody goes until the provider says so. Returns the pause in seconds."""
        seconds = limits.retry_after_s
        if seconds is None:
            empty = [w for w in (limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens) if w]
            resets = [w.reset_s for w in empty if w.remaining == 0 and w.reset_s is not None]
            seconds = max(resets, default=self.policy.default_pause_s)
        seconds = min(seconds, self.policy.max_pause_s)
        self.paused_until = max(self.paused_until, now + seconds)
        return seconds

    def used_share(self, now: float) -> float:
        """How much of the scarcest quota is in use, from 0 to 1 (over a burst's length); 0 without quotas."""
        self._refill(now)
        buckets = [b for b in (self._requests, self._tokens, self._input, self._output) if b is not None]
        return max((min(1.0, 1 - bucket.level / bucket.capacity) for bucket in buckets), default=0.0)

    def _refill(self, now: float) -> None:
        seconds = now - self._refilled
        if seconds <= 0:
            return
        self._refilled = now
        for bucket in (self._requests, self._tokens, self._input, self._output):
            if bucket is not None:
                bucket.refill(seconds)

    def _needs(self, cost: Cost, requests: int = 1) -> list[tuple[Bucket, float]]:
        needs: list[tuple[Bucket, float]] = []
        if self._requests is not None:
            needs.append((self._requests, requests))
        if self._tokens is not None:
            needs.append((self._tokens, cost.input_tokens + cost.output_tokens))
        if self._input is not None:
            needs.append((self._input, cost.input_tokens))
        if self._output is not None:
            needs.append((self._output, cost.output_tokens))
        return needs

    def _give_back(self, cost: Cost, requests: int) -> None:
        for bucket, amount in self._needs(cost, requests):
            bucket.level = min(bucket.capacity, bucket.level + amount)


def _bucket(limit: int, policy: QuotaPolicy) -> Bucket | None:
    return Bucket(limit, policy.burst_s) if limit else None
