"""One provider away for a minute, then both: what it costs the provider that is away, and the records."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop
from benchmarks.gateway_scenarios.stage import (
    FIRST,
    SECOND,
    TICKET,
    Simulator,
    gateway,
    quantile,
    question,
    simulator,
)
from pipeline.llm import Gateway

A_SECOND = 30
PROFILE = {
    "openai": {"latency": {"p50_s": 0.3, "p99_s": 1.2}},
    "anthropic": {"latency": {"p50_s": 0.4, "p99_s": 1.6}},
}
KINDS = ("503", "hang", "reset")
"""How an outage looks: errors at once, silence, closed connections."""


def run(outage_s: float = 60.0, kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    found: dict[str, Any] = {"outage_s": outage_s, "records_a_second": A_SECOND}
    for kind in kinds:
        with simulator(PROFILE) as provider:
            found[f"one_out_{kind}"] = uvloop.run(_one_out(provider, kind, outage_s))
    with simulator(PROFILE) as provider:
        found["both_out"] = uvloop.run(_both_out(provider, outage_s))
    return found


class _Records:
    """A steady stream of them; each remembers when it came, how long it took and who answered."""

    def __init__(self, subject: Gateway) -> None:
        self.subject = subject
        self.tasks: list[asyncio.Task[None]] = []
        self.done: list[tuple[float, float, str]] = []
        self.failed = 0

    async def come(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        ends, due = loop.time() + seconds, loop.time()
        while (now := loop.time()) < ends:
            while due < now:
                due += 1 / A_SECOND
                self.tasks.append(asyncio.create_task(self._one(len(self.tasks))))
            await asyncio.sleep(0.01)

    async def _one(self, number: int) -> None:
        began = time.monotonic()
        try:
            completion = await self.subject.complete(question(f"{TICKET} {number}", (FIRST, SECOND)))
            self.done.append((began, time.monotonic() - began, completion.provider))
        except Exception:  # noqa: BLE001 - counted
            self.failed += 1

    async def end(self) -> None:
        await asyncio.gather(*self.tasks)


def _open(provider: Simulator) -> Gateway:
    return gateway({wire: provider.account(wire, timeout_s=30.0) for wire in ("openai", "anthropic")})


async def _one_out(provider: Simulator, kind: str, outage_s: float) -> dict[str, Any]:
    subject = _open(provider)
    records = _Records(subject)
    await records.come(10)
    before = await asyncio.to_thread(provider.control, {"openai": {"outage": {"seconds": outage_s, "kind": kind}}})
    began = time.monotonic()
    await records.come(outage_s)
    back = began + outage_s
    after = await asyncio.to_thread(provider.control)
    await records.come(10)
    await records.end()
    await subject.close()
    during = [latency for came, latency, _ in records.done if began + 1 <= came < back]
    usual = [latency for came, latency, by in records.done if began + 8 <= came < back and by == "anthropic"]
    first = min(
        (came + latency for came, latency, by in records.done if by == "openai" and came + latency > back), default=0
    )
    calls = after["openai"]["outcomes"].get("outage", 0) - before["openai"]["outcomes"].get("outage", 0)
    return {
        "records": len(records.done),
        "failed": records.failed,
        "calls_that_met_the_outage": calls,
        "first_answer_after_its_return_s": round(first - back, 2),
        "latency_p50_s": round(quantile(during, 0.5), 3),
        "latency_p99_s": round(quantile(during, 0.99), 3),
        "p99_of_the_other_s": round(quantile(usual, 0.99), 3),
        "longest_s": round(max(during), 2),
        "breaker_opened": subject.status().routes[-1].breaker_opened,
    }


async def _both_out(provider: Simulator, outage_s: float) -> dict[str, Any]:
    subject = _open(provider)
    records = _Records(subject)
    await records.come(5)
    out = {"outage": {"seconds": outage_s, "kind": "503"}}
    before = await asyncio.to_thread(provider.control, {"openai": out, "anthropic": out})
    began = time.monotonic()
    cpu = time.process_time()
    await records.come(outage_s)
    cpu = time.process_time() - cpu
    back = began + outage_s
    waiting = len(records.tasks) - len(records.done)
    after = await asyncio.to_thread(provider.control)
    await records.come(10)
    await records.end()
    end = await asyncio.to_thread(provider.control)
    await subject.close()
    first = min(came + latency for came, latency, _ in records.done if came + latency > back)
    last = max(came + latency for came, latency, _ in records.done if came < back)
    calls = sum(after[wire]["requests"] - before[wire]["requests"] for wire in ("openai", "anthropic"))
    return {
        "records": len(records.done),
        "lost": records.failed,
        "waiting_at_the_end_of_the_outage": waiting,
        "calls_during_the_outage": calls,
        "cpu_s_during_the_outage": round(cpu, 2),
        "first_answer_after_it_s": round(first - back, 2),
        "all_that_waited_answered_after_s": round(last - back, 2),
        "most_calls_at_once": max(end[wire]["peak_in_flight"] for wire in ("openai", "anthropic")),
    }
