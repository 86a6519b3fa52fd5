"""A provider in memory that meters as the simulator does, and workers that share it; for tests in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from pipeline.llm.fleet import FleetAwayError
from pipeline.llm.providers.provider import Failure, Limits, ProviderError, Reply, Request, Stop, Window
from pipeline.llm.question import Usage
from pipeline.simulator import quota as vendor


class MeteredProvider:
    """Enforces `limits` by the simulator's own rules, with latencies around `latency_s`."""

    def __init__(self, limits: vendor.Limits, latency_s: float = 0.3, seed: int = 1) -> None:
        self.limits = limits
        self.requests = self.refused = self.tokens = 0
        self._quota = vendor.Quota()
        self._latency_s = latency_s
        self._draw = random.Random(seed)

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.01)
        self.requests += 1
        prompt = len(request.user) // 4
        admitted = self._quota.admit(loop.time(), self.limits, prompt, request.max_tokens)
        if isinstance(admitted, vendor.Refused):
            self.refused += 1
            raise ProviderError(Failure.THROTTLED, status=429, limits=self._shown(admitted.wait_s))
        limits = self._shown()
        output = min(request.max_tokens, max(20, round(self._draw.gauss(120, 30))))
        await asyncio.sleep(self._latency_s * self._draw.lognormvariate(0, 0.5))
        self._quota.settle(loop.time(), self.limits, admitted, input_tokens=prompt, cached=0, output=output)
        self.tokens += admitted.reserved if self.limits.tokens else prompt
        return Reply('{"category": "cards"}', Stop.END, Usage(prompt, 0, output), limits)

    async def ping(self, timeout_s: float) -> None: ...

    async def close(self) -> None: ...

    def _shown(self, retry_after_s: float | None = None) -> Limits:
        now = asyncio.get_running_loop().time()
        windows = {
            str(reading.meter): Window(reading.limit, reading.remaining)
            for reading in self._quota.readings(now, self.limits)
        }
        return Limits(**windows, retry_after_s=retry_after_s)


class FleetInMemory:
    """What Redis holds: everybody's demands; `away` makes it unreachable, `garbled` out of its mind."""

    def __init__(self) -> None:
        self.away = self.garbled = False
        self.demands: dict[str, dict[object, float]] = {}

    def worker(self) -> FleetWorker:
        return FleetWorker(self)


class FleetWorker:
    def __init__(self, fleet: FleetInMemory) -> None:
        self._fleet = fleet

    async def shares(self, demands: Mapping[str, float]) -> Mapping[str, float]:
        await asyncio.sleep(0.001)
        if self._fleet.away:
            raise FleetAwayError("away")
        if self._fleet.garbled:
            raise ValueError("could not convert string to float")
        found = {}
        for pool, demand in demands.items():
            all_demands = self._fleet.demands.setdefault(pool, {})
            all_demands[self] = demand
            found[pool] = max_min(sorted(all_demands.values()), demand)
        return found

    async def close(self) -> None:
        for demands in self._fleet.demands.values():
            demands.pop(self, None)


def max_min(demands: list[float], own: float) -> float:
    left, share = 1.0, None
    for index, demand in enumerate(demands):
        given = min(demand, left / (len(demands) - index))
        if share is None and demand >= own:
            share = given
        left -= given
    return (share or 0.0) + left / len(demands)
