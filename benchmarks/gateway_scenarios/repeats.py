"""Thirty per cent of the questions are repeated, 500 in flight: how many calls are made."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import uvloop
from benchmarks.gateway_scenarios.stage import FIRST, TICKET, Simulator, gateway, question, simulator
from pipeline.llm import GatewayPolicy

IN_FLIGHT = 500


def run(questions: int = 6000) -> dict[str, Any]:
    with simulator({"openai": {"latency": {"p50_s": 0.3, "p99_s": 1.2}}}) as provider:
        return uvloop.run(_repeats(provider, questions))


async def _repeats(provider: Simulator, questions: int) -> dict[str, Any]:
    distinct = questions * 7 // 10
    numbers = [*range(distinct), *random.Random(2).choices(range(distinct), k=questions - distinct)]
    random.Random(3).shuffle(numbers)
    subject = gateway({"openai": provider.account("openai")}, GatewayPolicy())
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> bool:
        async with slots:
            completion = await subject.complete(question(f"{TICKET} {number}", (FIRST,)))
            return completion.cached

    cached = await asyncio.gather(*(one(number) for number in numbers))
    state = await asyncio.to_thread(provider.control)
    status = subject.status()
    await subject.close()
    return {
        "questions": questions,
        "distinct": distinct,
        "provider_calls": state["openai"]["requests"],
        "cached": sum(cached),
        "shared_in_flight": status.cache.shared,
        "saved_usd": str(status.cache.saved_usd),
        "reached": {"calls_are_the_distinct_questions": state["openai"]["requests"] == distinct},
    }
