"""What no engine can beat: the next ticket is called for as soon as a place is free, whatever its key."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

FIRST, LAST = 0.1, 0.9
"""The part of the answers over which a rate is taken: without the start, and without the end when places stay empty."""


def answers(latencies_s: Sequence[float], places: int, per_second: float = 0.0) -> list[float]:
    """When each is answered, in seconds from the start; at most `places` at once, and `per_second` calls (0: any)."""
    free = [0.0] * min(places, len(latencies_s))
    heapq.heapify(free)
    found: list[float] = []
    for number, latency in enumerate(latencies_s):
        begun = max(heapq.heappop(free), number / per_second if per_second else 0.0)
        found.append(begun + latency)
        heapq.heappush(free, begun + latency)
    return found


def rate(moments: Sequence[float]) -> float:
    """Answers a second in the middle of a run; 0 when there are too few to tell."""
    ordered = sorted(moments)
    low, high = round(FIRST * len(ordered)), round(LAST * len(ordered)) - 1
    if high <= low or ordered[high] <= ordered[low]:
        return 0.0
    return (high - low) / (ordered[high] - ordered[low])
