"""The guard: when too large a share of the last records died, something is wrong that replaying will not mend."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """`share` of dead letters (0 to 1) among the last `window` records at which the processor pauses."""

    share: float
    window: int


class Guard:
    """One enrichment's window. Says when to pause; starts anew after it did."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._policy = policy
        self._died: deque[bool] = deque(maxlen=policy.window)
        self._dead = 0

    def record(self, *, died: bool) -> str | None:
        """Takes in one outcome; the reason to pause, or None."""
        if len(self._died) == self._policy.window:
            self._dead -= self._died[0]
        self._died.append(died)
        self._dead += died
        if len(self._died) < self._policy.window or self._dead < self._policy.share * self._policy.window:
            return None
        reason = f"{self._dead} of the last {self._policy.window} records became dead letters"
        self._died.clear()
        self._dead = 0
        return reason
