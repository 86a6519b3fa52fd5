"""How many calls a server of one's own takes at once, found from its latencies: it publishes no quota."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConcurrencyPolicy:
    """The numbers of an adaptive limit (the gradient of Netflix's concurrency-limits)."""

    first: int = 8
    least: int = 1
    tolerance: float = 2.0
    """Latency may be so many times that of an unloaded server before the limit falls."""
    smoothing: float = 0.2
    backoff: float = 0.9
    """What a failure leaves of the limit."""
    forget: float = 1.002
    """How fast the memory of the best latency fades, a call: models get slower when they are changed."""


class AdaptiveLimit:
    """A limit that grows while latency stays near the best seen and falls when calls queue inside the server."""

    def __init__(self, policy: ConcurrencyPolicy, most: int) -> None:
        self._policy = policy
        self._most = float(most)
        self._limit = float(min(policy.first, most))
        self._best_s = math.inf

    @property
    def limit(self) -> int:
        """How many calls may be on their way now."""
        return int(self._limit)

    def answered(self, latency_s: float, running: int) -> None:
        """A call came back; `running` were on their way, itself included."""
        self._best_s = min(latency_s, self._best_s * self._policy.forget)
        if running < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, self._policy.tolerance * self._best_s / max(latency_s, 1e-9)))
        target = self._limit * gradient + math.sqrt(self._limit)
        # A window of calls moves it by `smoothing`, however many calls make the window.
        step = self._policy.smoothing / max(1.0, self._limit)
        self._set(self._limit + step * (target - self._limit))

    def failed(self) -> None:
        """A call timed out or was turned away."""
        self._set(self._limit * self._policy.backoff)

    def _set(self, limit: float) -> None:
        self._limit = min(self._most, max(float(self._policy.least), limit))
