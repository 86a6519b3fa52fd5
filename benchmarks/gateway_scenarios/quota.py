"""Sixteen workers on one quota under twice the load it allows, while it is halved and restored, and Redis is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import Any

import uvloop
from benchmarks.gateway_scenarios.peers import PEERS, Peers
from benchmarks.gateway_scenarios.stage import (
    FIRST,
    SECOND,
    TICKET,
    Simulator,
    at_once,
    gateway,
    question,
    redis_server,
    simulator,
)
from pipeline.llm import Gateway, Tier
from pipeline.llm.redis_fleet import RedisFleet

WORKERS = 16
TENANTS = 40
TOKENS_A_MINUTE = 3_000_000
BURST_S = 5
"""How much the simulated vendor lets anybody use at once: less than real ones, so that nothing can hide in it."""
LATENCY = {"p50_s": 0.4, "p99_s": 2.0}
PARTS = (1.0, 0.5, 1.0)
PEER_SLOTS = 8
"""Calls in flight of each of a peer's workers: five times what the quota lets through, as somebody would set it who
wants to use it all."""
MOST_429 = 0.001
LEAST_USED = {"redis": 0.98, "redis_anthropic": 0.98, "redis_lost": 0.95}


def run(peers: Peers, part_s: float = 25.0) -> dict[str, Any]:
    """The same campaign with Redis on both wires, losing Redis half-way through the second part, and with the peers.

    Ours at once, each with a simulator of its own, then the peers.
    """
    found = at_once({name: (_one, (name, peers, part_s)) for name in LEAST_USED})
    found |= at_once({name: (_one, (name, peers, part_s)) for name in PEERS})
    reached = {
        name: found[name]["used_share"] >= least and found[name]["share_of_429"] < MOST_429
        for name, least in LEAST_USED.items()
    }
    return {
        "workers": WORKERS,
        "tokens_a_minute": [int(TOKENS_A_MINUTE * part) for part in PARTS],
        "seconds_each": part_s,
        **found,
        "reached": reached,
    }


def _one(name: str, peers: Peers, part_s: float) -> dict[str, Any]:
    tier = SECOND if name == "redis_anthropic" else FIRST
    with simulator({tier.provider: {"latency": LATENCY, "quota": _quota(tier, 1.0)}}) as provider:
        if name in PEERS:
            return uvloop.run(_peer_campaign(provider, peers, name, part_s))
        with redis_server() as (url, redis_pid):
            lost = redis_pid if name == "redis_lost" else None
            return uvloop.run(_campaign(provider, url, lost, tier, part_s))


def _quota(tier: Tier, part: float) -> dict[str, int]:
    tokens = int(TOKENS_A_MINUTE * part)
    if tier.provider == "openai":
        return {"requests_per_minute": 100_000, "tokens_per_minute": tokens, "burst_s": BURST_S}
    return {
        "requests_per_minute": 100_000,
        "input_tokens_per_minute": tokens,
        "output_tokens_per_minute": tokens,
        "burst_s": BURST_S,
    }


def _overload(tier: Tier) -> float:
    """About twice the requests a second that the quota allows."""
    return 2 * TOKENS_A_MINUTE / 60 / (1100 if tier is FIRST else 700)


class _Load:
    """Workers that always have more to do than they may: a backlog of up to 300 each."""

    def __init__(self, workers: list[Gateway], tier: Tier) -> None:
        self.workers = workers
        self.tier = tier
        self.draw = random.Random(5)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.answered = 0

    async def go_on(self, seconds: float) -> None:
        """About twice what the quota allows: Zipf among tenants, and uneven among workers."""
        loop = asyncio.get_running_loop()
        a_second = _overload(self.tier)
        ends, due = loop.time() + seconds, loop.time()
        while (now := loop.time()) < ends:
            while due < now:
                due += 1 / a_second
                if len(self.tasks) < 300 * WORKERS:
                    task = asyncio.create_task(self._one())
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(0.02)

    async def _one(self) -> None:
        worker = self.workers[min(int(self.draw.paretovariate(0.6)), WORKERS) - 1]
        tenant = f"tenant-{min(int(self.draw.paretovariate(1.0)), TENANTS)}"
        text = TICKET * self.draw.randint(1, 20) + str(self.draw.random())
        await worker.complete(question(text, (self.tier,), tenant=tenant))
        self.answered += 1


async def _campaign(provider: Simulator, redis_url: str, lost: int | None, tier: Tier, part_s: float) -> dict[str, Any]:
    quota = {name: value for name, value in _quota(tier, 1.0).items() if name != "burst_s"}
    # One client for all of them: sixteen would cost the machine more than what is measured.
    account = provider.account(tier.provider, quota)
    workers = [gateway({tier.provider: account}, fleet=RedisFleet(redis_url)) for _ in range(WORKERS)]
    # A fleet that is up: prices are loaded and connections made before anything is counted.
    await asyncio.gather(*(worker.complete(question(TICKET, (tier,))) for worker in workers))
    await asyncio.to_thread(provider.control, {"reset": True})
    load, allowed, refused = _Load(workers, tier), _Allowed(provider, tier), list[int]()
    for number, part in enumerate(PARTS):
        await allowed.change(part)
        if lost is not None and number == 1:
            await load.go_on(part_s / 2)
            os.kill(lost, signal.SIGKILL)
            await load.go_on(part_s / 2)
        else:
            await load.go_on(part_s)
        refused.append(await _refused(provider, tier))
    seen = await allowed.seen()
    sharing = {str(worker.status().sharing) for worker in workers}
    for task in list(load.tasks):
        task.cancel()
    await asyncio.gather(*load.tasks, return_exceptions=True)
    for worker in workers:
        await worker.close()
    return {
        "wire": tier.provider,
        "sharing_at_the_end": sorted(sharing),
        "answered": load.answered,
        **seen,
        "refused_by_the_end_of_each_part": refused,
    }


async def _refused(provider: Simulator, tier: Tier) -> int:
    outcomes = (await asyncio.to_thread(provider.control))[tier.provider]["outcomes"]
    return sum(count for name, count in outcomes.items() if name.startswith("quota_"))


async def _peer_campaign(provider: Simulator, peers: Peers, peer: str, part_s: float) -> dict[str, Any]:
    job = peers.run(
        peer,
        "backlog",
        [provider.openai_url],
        workers=WORKERS,
        slots=PEER_SLOTS,
        tokens_per_minute=TOKENS_A_MINUTE // WORKERS,
        seconds=part_s * len(PARTS),
        a_second=_overload(FIRST),
    )
    running = asyncio.create_task(job)
    while not running.done() and not (await asyncio.to_thread(provider.control))["openai"]["requests"]:
        await asyncio.wait([running], timeout=0.1)
    allowed = _Allowed(provider, FIRST)
    for part in PARTS:
        await allowed.change(part)
        await asyncio.wait([running], timeout=part_s)
    if running.done() and "skipped" in (found := running.result()):
        return found
    seen = await allowed.seen()
    return {**await running, **seen}


class _Allowed:
    """What the quota lets through, by the provider's own clock, and what it counted."""

    def __init__(self, provider: Simulator, tier: Tier) -> None:
        self._provider = provider
        self._tier = tier
        self._tokens = self._rate = self._since = 0.0

    async def change(self, part: float) -> None:
        """From now on this part of the whole quota."""
        change = {self._tier.provider: {"quota": _quota(self._tier, part)}}
        self._until((await asyncio.to_thread(self._provider.control, change))["seconds"])
        self._rate = TOKENS_A_MINUTE * part / 60

    async def seen(self) -> dict[str, Any]:
        """The burst with which a quota begins does not count as used: only what has come in with the time, which is
        what was charged less what the bucket still lacks."""
        whole = await asyncio.to_thread(self._provider.control)
        self._until(whole["seconds"])
        state = whole[self._tier.provider]
        (quota,) = state["quotas"]
        meter = "tokens" if self._tier is FIRST else "input_tokens"
        charged, left = quota["charged"][meter], quota[meter]
        lacking = (left["limit"] - left["remaining"]) / 60 * BURST_S
        refused = sum(count for name, count in state["outcomes"].items() if name.startswith("quota_"))
        requests = sum(state["outcomes"].values())
        return {
            "requests": requests,
            "tokens_charged": charged,
            "of_these_from_the_opening_burst": round(lacking),
            "tokens_allowed": round(self._tokens),
            "used_share": round((charged - lacking) / self._tokens, 4),
            "share_of_429": round(refused / requests, 5),
        }

    def _until(self, now: float) -> None:
        self._tokens += self._rate * (now - self._since)
        self._since = now
