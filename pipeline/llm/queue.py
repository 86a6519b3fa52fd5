"""Who goes next when not all can: interactive before backlog, tenants by fair shares, first come first served."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.llm.question import Lane
from pipeline.llm.quota import Cost

_RANK = {Lane.INTERACTIVE: 0, Lane.BACKLOG: 1}


@dataclass(slots=True, order=True)
class Waiting:
    """One call in the queue: ordered by lane, then by its tenant's virtual finish time, then by arrival."""

    rank: int
    finish: float
    arrival: int
    cost: Cost = field(compare=False)
    admitted: asyncio.Future[bool] = field(compare=False)


class FairQueue:
    """Weighted fair queueing (start-time fair, Goyal 1996): a tenant's share does not depend on how much it sends.

    The head is never overtaken inside its lane, so a long prompt is let in as soon as there is room for it.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._heap: list[Waiting] = []
        self._virtual = 0.0
        self._finished: dict[str, float] = {}
        self._arrivals = 0
        self._input_tokens = self._output_tokens = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def cost(self) -> Cost:
        """What all that wait would take together."""
        return Cost(self._input_tokens, self._output_tokens)

    def push(self, lane: Lane, tenant: str, cost: Cost, admitted: asyncio.Future[bool]) -> None:
        """Puts a call where its tenant's share lets it be."""
        size = cost.input_tokens + cost.output_tokens
        start = max(self._virtual, self._finished.get(tenant, 0.0))
        finish = start + size / self._weights.get(tenant, 1.0)
        self._finished[tenant] = finish
        self._arrivals += 1
        self._input_tokens += cost.input_tokens
        self._output_tokens += cost.output_tokens
        heapq.heappush(self._heap, Waiting(_RANK[lane], finish, self._arrivals, cost, admitted))

    def head(self) -> Waiting | None:
        """The call that goes next, or None. Calls that were cancelled while they waited are dropped."""
        while self._heap and self._heap[0].admitted.done():
            self._take()
        return self._heap[0] if self._heap else None

    def pop(self) -> None:
        """The head has gone."""
        gone = self._take()
        self._virtual = max(self._virtual, gone.finish)
        if not self._heap:
            # Nobody waits: no tenant has a past to make up for.
            self._virtual = 0.0
            self._finished.clear()

    def clear(self) -> list[Waiting]:
        """Empties the queue; the calls that still waited."""
        left = [waiting for waiting in self._heap if not waiting.admitted.done()]
        self._heap.clear()
        self._finished.clear()
        self._virtual = 0.0
        self._input_tokens = self._output_tokens = 0
        return left

    def _take(self) -> Waiting:
        gone = heapq.heappop(self._heap)
        self._input_tokens -= gone.cost.input_tokens
        self._output_tokens -= gone.cost.output_tokens
        return gone
