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
    load, allowed, refused = _Load(workers, tier), 0.0, list[int]()
    loop = asyncio.get_running_loop()
    for number, part in enumerate(PARTS):
        await asyncio.to_thread(provider.control, {tier.provider: {"quota": _quota(tier, part)}})
        began = loop.time()
        if lost is not None and number == 1:
            await load.go_on(part_s / 2)
            os.kill(lost, signal.SIGKILL)
            await load.go_on(part_s / 2)
        else:
            await load.go_on(part_s)
        allowed += TOKENS_A_MINUTE * part / 60 * (loop.time() - began)
        refused.append(await _refused(provider, tier))
    seen = await _seen(provider, tier, allowed)
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
    allowed = 0.0
    for part in PARTS:
        await asyncio.to_thread(provider.control, {"openai": {"quota": _quota(FIRST, part)}})
        await asyncio.wait([running], timeout=part_s)
        allowed += TOKENS_A_MINUTE * part / 60 * part_s
    found = await running
    return found if "skipped" in found else {**found, **await _seen(provider, FIRST, allowed)}


async def _seen(provider: Simulator, tier: Tier, allowed: float) -> dict[str, Any]:
    """What the provider counted."""
    state = (await asyncio.to_thread(provider.control))[tier.provider]
    (quota,) = state["quotas"]
    charged = quota["charged"]["tokens" if tier is FIRST else "input_tokens"]
    refused = sum(count for name, count in state["outcomes"].items() if name.startswith("quota_"))
    requests = sum(state["outcomes"].values())
    return {
        "requests": requests,
        "tokens_charged": charged,
        "tokens_allowed": round(allowed),
        "used_share": round(charged / allowed, 4),
        "share_of_429": round(refused / requests, 5),
    }
