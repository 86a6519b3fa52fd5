"""Requests and tokens a minute, as the vendors count them.

Every quota is a token bucket that refills evenly and starts full. A request that does not fit is refused with the
time after which it would have. The two vendors differ in what a request costs:

- OpenAI charges the estimated prompt plus the whole of `max_tokens` when the request comes
  (its cookbook's request processor reckons the same). `charge: reserved` never gives the unused part back,
  as its documentation and Azure's say; `charge: settled` gives it back with the answer.
  A request refused for its tokens still counts as a request.
- Anthropic charges the prompt without what was read from its cache, and output as it is written: `max_tokens` does not
  count, so a request is let in while any output quota is left (its rate-limit page).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Meter(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


class Charge(StrEnum):
    """What OpenAI's token quota keeps of a finished request's reservation."""

    RESERVED = "reserved"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas a minute, 0 for none. `burst_s`: how many seconds' worth may be used at once."""

    requests: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    burst_s: float = 60.0
    charge: Charge = Charge.RESERVED


@dataclass(frozen=True, slots=True)
class Reading:
    """One quota as headers show it. `reset_s`: seconds until it is full again."""

    meter: Meter
    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Admitted:
    """What was charged when the request came, to be settled when it is answered."""

    input_tokens: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The quota that was too small. `wait_s` is infinite when the request is larger than the quota."""

    meter: Meter
    limit: int
    used: int
    requested: int
    wait_s: float


@dataclass(slots=True)
class _Bucket:
    used: float = 0.0
    at: float = 0.0

    def drain(self, now: float, per_minute: int) -> float:
        self.used = max(0.0, self.used - max(0.0, now - self.at) * per_minute / 60)
        self.at = max(self.at, now)
        return self.used


@dataclass(slots=True)
class Quota:
    """The quotas of one model for one key. Limits come with each call: they may change while it runs."""

    charged: dict[Meter, int] = field(default_factory=lambda: dict.fromkeys(Meter, 0))
    """Everything charged so far, less what was given back."""
    refusals: int = 0
    _buckets: dict[Meter, _Bucket] = field(default_factory=lambda: {meter: _Bucket() for meter in Meter})

    def admit(self, now: float, limits: Limits, input_tokens: int, max_tokens: int) -> Admitted | Refused:
        """Charges the request, or says which quota refuses it."""
        reserved = input_tokens + max_tokens
        for meter, amount in (
            (Meter.REQUESTS, 1),
            (Meter.TOKENS, reserved),
            (Meter.INPUT_TOKENS, input_tokens),
            (Meter.OUTPUT_TOKENS, 1),
        ):
            if (refused := self._short(now, limits, meter, amount)) is not None:
                self.refusals += 1
                if meter is Meter.TOKENS:
                    self._charge(now, limits, Meter.REQUESTS, 1)
                return refused
        self._charge(now, limits, Meter.REQUESTS, 1)
        self._charge(now, limits, Meter.TOKENS, reserved)
        self._charge(now, limits, Meter.INPUT_TOKENS, input_tokens)
        return Admitted(input_tokens, reserved)

    def settle(
        self, now: float, limits: Limits, admitted: Admitted, *, input_tokens: int, cached: int, output: int
    ) -> None:
        """Corrects the charge by what the answer used; tokens read from the vendor's prompt cache cost no quota."""
        if limits.charge is Charge.SETTLED:
            self._charge(now, limits, Meter.TOKENS, input_tokens + output - admitted.reserved)
        self._charge(now, limits, Meter.INPUT_TOKENS, input_tokens - cached - admitted.input_tokens)
        self._charge(now, limits, Meter.OUTPUT_TOKENS, output)

    def readings(self, now: float, limits: Limits) -> Iterator[Reading]:
        """The quotas that are set."""
        for meter, bucket in self._buckets.items():
            if limit := _limit(limits, meter):
                used = bucket.drain(now, limit)
                room = limit * limits.burst_s / 60
                # The share left of a burst is shown as the same share of the minute's quota.
                remaining = int(max(0.0, room - used) / room * limit + 1e-6)
                yield Reading(meter, limit, remaining, used * 60 / limit)

    def _short(self, now: float, limits: Limits, meter: Meter, amount: int) -> Refused | None:
        limit = _limit(limits, meter)
        if not limit:
            return None
        room = limit * limits.burst_s / 60
        used = self._buckets[meter].drain(now, limit)
        # A hair's breadth of tolerance: who waits as long as told is let in.
        if used + amount <= room + 1e-6:
            return None
        wait_s = (used + amount - room) * 60 / limit if amount <= room else math.inf
        return Refused(meter, limit, int(used), amount, wait_s)

    def _charge(self, now: float, limits: Limits, meter: Meter, amount: int) -> None:
        self.charged[meter] += amount
        if limit := _limit(limits, meter):
            bucket = self._buckets[meter]
            bucket.used = max(0.0, bucket.drain(now, limit) + amount)


def _limit(limits: Limits, meter: Meter) -> int:
    match meter:
        case Meter.REQUESTS:
            return limits.requests
        case Meter.TOKENS:
            return limits.tokens
        case Meter.INPUT_TOKENS:
            return limits.input_tokens
        case Meter.OUTPUT_TOKENS:
            return limits.output_tokens
