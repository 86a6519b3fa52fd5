"""When a second model is asked beside the first: for people who wait, when the first takes longer than usual."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.llm.question import Lane
from pipeline.llm.route import Route


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """A second call goes out once the first has taken longer than 19 of 20 do, for at most `budget_share` of calls."""

    budget_share: float = 0.05
    budget_burst: float = 5.0
    least_s: float = 0.2


class Hedges:
    """Whether a call is hedged. Off without a policy: a second call costs money."""

    def __init__(self, policy: HedgePolicy | None) -> None:
        self._policy = policy
        self._left = policy.budget_burst if policy else 0.0

    def may(self, lane: Lane) -> bool:
        """True when a call in this lane may get a second one."""
        if self._policy is None or lane is not Lane.INTERACTIVE:
            return False
        self._left = min(self._policy.budget_burst, self._left + self._policy.budget_share)
        return True

    def after_s(self, route: Route) -> float | None:
        """How long the first call has for itself; None while nobody knows what is usual."""
        usual_s = route.usual_latency_s
        return None if usual_s is None or self._policy is None else max(self._policy.least_s, usual_s)

    def left(self) -> bool:
        return self._left >= 1

    def withdraw(self) -> None:
        self._left -= 1
