"""Which failures are worth another try, when, and how many tries there may be."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.llm.providers.provider import Failure


class Remedy(StrEnum):
    """What is done about a failure."""

    PAUSE = "pause"
    """The pool waits; the call goes again and this was no attempt of its own."""
    RETRY = "retry"
    """The model's bad moment: again after a while, or elsewhere. The breaker counts it."""
    ELSEWHERE = "elsewhere"
    """This provider will not answer this request: another may."""
    LOCK_OUT = "lock_out"
    """Nobody's record is at fault and no retry helps: the model is out until a person mends it."""


REMEDIES: Mapping[Failure, Remedy] = {
    Failure.THROTTLED: Remedy.PAUSE,
    Failure.OVERLOADED: Remedy.RETRY,
    Failure.SERVER_ERROR: Remedy.RETRY,
    Failure.TIMEOUT: Remedy.RETRY,
    Failure.UNREACHABLE: Remedy.RETRY,
    Failure.GARBLED: Remedy.RETRY,
    Failure.REFUSED: Remedy.ELSEWHERE,
    Failure.REJECTED: Remedy.ELSEWHERE,
    Failure.LOCKED_OUT: Remedy.LOCK_OUT,
    Failure.UNUSABLE_MODEL: Remedy.LOCK_OUT,
    Failure.SPENT: Remedy.LOCK_OUT,
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The numbers of retrying. Times are in seconds."""

    retries: int = 2
    """Quick retries at one provider before the next is asked."""
    base_s: float = 0.25
    max_s: float = 5.0
    budget_share: float = 0.1
    """Quick retries may be this share of requests."""
    budget_burst: float = 10.0
    failures: int = 10
    """So many failures of models that answer others, and the record itself is held to be the reason."""


def backoff_s(policy: RetryPolicy, failures: int, retry_after_s: float | None, draw: random.Random) -> float:
    """Full jitter (random between nothing and a doubling bound), never before the provider's `retry-after`."""
    bound = min(policy.max_s, policy.base_s * 2 ** min(failures, 16))
    return max(draw.uniform(0, bound), min(retry_after_s or 0.0, policy.max_s * 4))


class RetryBudget:
    """Keeps retries a share of requests, so that they cannot become the outage themselves."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._left = policy.budget_burst

    def deposit(self) -> None:
        """A first request was made."""
        self._left = min(self._policy.budget_burst, self._left + self._policy.budget_share)

    def withdraw(self) -> bool:
        """True when one more quick retry may be made."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
