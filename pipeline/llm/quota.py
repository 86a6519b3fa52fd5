"""How much of a provider's requests and tokens a minute may be used now."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.llm.providers.provider import NO_LIMITS, Limits, Window

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The quotas of one model at one account, a minute's; 0 is none. `tokens` are input and output together."""

    requests: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    charges_max_tokens: bool = False
    """True for OpenAI, whose quota counts `max_tokens` when a request comes and gives nothing of it back."""
    burst_s: float = 1.0
    """How much unused quota may be used at once, in seconds of its rate: no vendor says how much it takes."""
    default_pause_s: float = 1.0
    """How long a 429 without `retry-after` pauses the pool."""
    max_pause_s: float = 120.0
    reserve: float = 0.75
    """The share of its quota that the provider is kept reporting as left. High, because a quota that is cut in half in
    the middle of a minute takes twice what was used of it from what is left."""
    damping: float = 2.0
    """How strongly the rate answers at once to a reserve that is off; and below, a second, to one that stays off."""
    correction_per_s: float = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call takes from the quota, estimated before and known after."""

    input_tokens: int
    output_tokens: int


class Bucket:
    """A token bucket whose level may go below zero: a request larger than the bucket is let in when it is full.

    `rate` a second is the limit's, times this worker's `share` of the fleet, times the `pace` that headers teach: what
    the provider counts is not what is counted here, and others may use the account. The pace is a damped controller:
    it holds the provider's own figure of what is left at the policy's reserve, which uses the quota wholly.
    """

    __slots__ = (
        "_learned",
        "_policy",
        "_spent",
        "bound",
        "capacity",
        "left",
        "level",
        "limit",
        "limit_since",
        "pace",
        "rate",
        "share",
    )

    def __init__(self, limit: int, policy: QuotaPolicy) -> None:
        self._policy = policy
        self._spent = 0.0
        self.limit = limit
        self.limit_since = -math.inf
        """When the provider told of this limit; calls made before it reckoned with another."""
        self.left: float | None = None
        """The share of it that the provider reported as left, last."""
        self.share = self.pace = self._learned = 1.0
        self.bound = False
        """True when this was the quota that made a call wait since the last observation."""
        self.rate = self.capacity = 0.0
        self._set_rate()
        self.level = self.capacity

    def refill(self, seconds: float) -> None:
        self.level = min(self.capacity, self.level + seconds * self.rate)
        self._spent *= math.exp(-seconds / USED_OVER_S)

    def wait_s(self, cost: float) -> float:
        """How long until `cost` fits."""
        missing = min(cost, self.capacity) - self.level
        return missing / self.rate if missing > 0 else 0.0

    def take(self, cost: float) -> None:
        self.level -= cost
        self._spent += cost

    def give_back(self, cost: float) -> None:
        self.level = min(self.capacity, self.level + cost)
        self._spent -= cost

    def used_share(self) -> float:
        """Recent use as a share of the whole quota."""
        return max(0.0, self._spent / USED_OVER_S / (self.limit / MINUTE_S))

    def set_share(self, share: float) -> None:
        self.share = max(LEAST_SHARE, share)
        self._set_rate()

    def follow(self, limit: int, now: float) -> None:
        """Takes over the limit that the provider tells."""
        if limit > 0 and limit != self.limit:
            self.limit, self.limit_since = limit, now
            self._set_rate()

    def observe(self, window: Window, seconds: float) -> None:
        """Follows the provider's figure of what is left; `seconds` have passed since the last time."""
        self.left = min(1.0, window.remaining / self.limit)
        over = self.left - self._policy.reserve
        if over < 0 or self.bound:
            self._learn(math.exp(self._policy.correction_per_s * over * seconds))
        self.bound = False
        self.pace = self._learned * min(1.5, max(0.2, 1 + self._policy.damping * over))
        self._set_rate()

    def refused(self, asked_at: float) -> None:
        """After a 429: there is nothing left but what comes in with the time, and what was learned was too much. That
        is not said of calls made under a limit that has been changed since."""
        self.level = min(self.level, 0.0)
        if asked_at < self.limit_since:
            return
        self._learn(LEARNED_AFTER_429)
        self.pace *= LEARNED_AFTER_429
        self._set_rate()

    def _learn(self, factor: float) -> None:
        self._learned = min(4.0, max(0.02, self._learned * factor))

    def _set_rate(self) -> None:
        self.rate = self.limit * self.share * self.pace / MINUTE_S
        self.capacity = max(1.0, self.rate * self._policy.burst_s)


USED_OVER_S = 10.0
LEAST_SHARE = 0.001
"""A worker that has nothing waits for ever."""


class Quota:
    """The quota of one model at one account: reserve before a call, settle after it. `now` is monotonic, in seconds."""

    def __init__(self, policy: QuotaPolicy, now: float, share: float = 1.0) -> None:
        self.policy = policy
        self.paused_until = -math.inf
        self.refused = 0
        """429s so far."""
        self._requests = _bucket(policy.requests, policy)
        self._tokens = _bucket(policy.tokens, policy)
        self._input = _bucket(policy.input_tokens, policy)
        self._output = _bucket(policy.output_tokens, policy)
        self._buckets = [b for b in (self._requests, self._tokens, self._input, self._output) if b is not None]
        self._refilled = self._observed = now
        self._told_of = -math.inf
        """When the newest call was made whose headers were followed."""
        self.set_share(share)

    def reserve(self, now: float, cost: Cost) -> float:
        """0 when the call may go, and its cost is taken; otherwise how many seconds to wait, and nothing is taken."""
        if now < self.paused_until:
            return self.paused_until - now
        if not self._buckets:
            return 0.0
        self._refill(now)
        needs = self._needs(cost, 1)
        longest = 0.0
        for bucket, need in needs:
            wait_s = bucket.wait_s(need)
            if wait_s > longest:
                longest, tightest = wait_s, bucket
        if longest > 0:
            tightest.bound = True
            return longest
        for bucket, need in needs:
            bucket.take(need)
        return 0.0

    def settle(self, reserved: Cost, actual: Cost) -> None:
        """After a call that the provider counted: the difference goes back, or is taken."""
        if self.policy.charges_max_tokens:
            return
        difference = Cost(reserved.input_tokens - actual.input_tokens, reserved.output_tokens - actual.output_tokens)
        for bucket, amount in self._needs(difference, 0):
            bucket.give_back(amount)

    def refund(self, reserved: Cost) -> None:
        """After a call that was never made, or that the provider refused to count."""
        for bucket, amount in self._needs(reserved, 1):
            bucket.give_back(amount)

    def observe(self, now: float, limits: Limits, asked_at: float) -> None:
        """Follows the headers of the response to a call made at `asked_at`.

        They are of the moment when it was let in, and answers overtake each other: what an older call is told is past.
        """
        if limits is NO_LIMITS or asked_at < self._told_of:
            return
        self._told_of = asked_at
        seconds = min(1.0, now - self._observed)
        due = seconds >= OBSERVE_EVERY_S
        if due:
            self._observed = now
        for bucket, window in (
            (self._requests, limits.requests),
            (self._tokens, limits.tokens),
            (self._input, limits.input_tokens),
            (self._output, limits.output_tokens),
        ):
            if window is not None and bucket is not None:
                bucket.follow(window.limit, now)
                if due:
                    bucket.observe(window, seconds)

    def pause(self, now: float, limits: Limits, asked_at: float) -> float:
        """After the 429 of a call made at `asked_at`: nobody goes until the provider says so.

        Returns the pause in seconds.
        """
        windows = [w for w in (limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens) if w]
        seconds = limits.retry_after_s
        if seconds is None:
            resets = [w.reset_s for w in windows if w.remaining == 0 and w.reset_s is not None]
            seconds = max(resets, default=self.policy.default_pause_s)
        seconds = min(seconds, self.policy.max_pause_s)
        self.refused += 1
        if now >= self.paused_until:
            self._refill(now)
            # Once a pause, however many calls were on their way when it began.
            for bucket in self._buckets:
                bucket.refused(asked_at)
        self.paused_until = max(self.paused_until, now + seconds)
        return seconds

    def set_share(self, share: float) -> None:
        """This worker's part of the whole quota, from 0 to 1."""
        for bucket in self._buckets:
            bucket.set_share(share)

    def demand(self, now: float, waiting: Cost, waiting_calls: int) -> float:
        """What this worker could use of the whole quota soon, as a share: what it uses, and what waits."""
        self._refill(now)
        return max(
            (
                bucket.used_share() + need / (bucket.limit / MINUTE_S * DEMAND_WITHIN_S)
                for bucket, need in self._needs(waiting, waiting_calls)
            ),
            default=0.0,
        )

    def used_share(self, now: float) -> float:
        """How much of the scarcest quota has been used over the last seconds, from 0 to 1; 0 without quotas."""
        self._refill(now)
        return min(1.0, max((bucket.used_share() for bucket in self._buckets), default=0.0))

    @property
    def left(self) -> float | None:
        """The share of the scarcest quota that the provider reported as left; None where it reports nothing."""
        return min((bucket.left for bucket in self._buckets if bucket.left is not None), default=None)

    @property
    def limited(self) -> bool:
        """True when the account has any quota."""
        return bool(self._buckets)

    def _refill(self, now: float) -> None:
        seconds = now - self._refilled
        if seconds > 0:
            self._refilled = now
            for bucket in self._buckets:
                bucket.refill(seconds)

    def _needs(self, cost: Cost, requests: int) -> list[tuple[Bucket, float]]:
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


OBSERVE_EVERY_S = 0.05
LEARNED_AFTER_429 = 0.9
DEMAND_WITHIN_S = 2.0


def _bucket(limit: int, policy: QuotaPolicy) -> Bucket | None:
    return Bucket(limit, policy) if limit else None
