"""What the gateway costs over the bare SDK call: CPU, latency and memory, at 1,000 in flight."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai
import uvloop
from benchmarks.gateway_scenarios.peers import Peers
from benchmarks.gateway_scenarios.stage import (
    FIRST,
    SCHEMA,
    TICKET,
    Simulator,
    at_once,
    gateway,
    quantile,
    question,
    rss_mb,
    simulator,
)
from pipeline.llm.providers.provider import Request

IN_FLIGHT = 1000
LATENCY_S = 5.0
"""Constant, so that what differs is the client's; long enough that the client is not at its limit."""

Ask = Callable[[int], Awaitable[object]]
Way = tuple[Ask, Callable[[], Awaitable[None]]]
"""How a call is made, and what ends it."""

MOST_CPU_MS = 0.25
MOST_LATENCY_MS = 1.0
MOST_MEMORY_MB = 60.0
FIGURES = ("cpu_ms_a_call", "latency_p50_ms", "memory_mb")


def run(peers: Peers, calls: int = 4000, rounds: int = 2) -> dict[str, Any]:
    """Each way in a process of its own, the gateway beside each of the others at the same time: whatever else the
    machine does, it does to both. The round in which both together took the least CPU counts. Latencies are compared
    in one process, call by call in turn: a wait for the CPU meets both alike."""
    found: dict[str, Any] = {"in_flight": IN_FLIGHT, "calls": calls}
    with simulator({"openai": {"latency": {"p50_s": LATENCY_S, "p99_s": LATENCY_S}}}) as provider:
        for name in ("sdk_create", "adapter"):
            pairs = [
                at_once({way: (measured, (way, provider, calls)) for way in ("gateway", name)}) for _ in range(rounds)
            ]
            best = min(pairs, key=lambda pair: sum(way["cpu_ms_a_call"] for way in pair.values()))
            found[f"beside_{name}"] = {**best, "gateway_over_it": _over(best, name)}
        found["in_turn"] = at_once({"both": (in_turn, ("gateway", "sdk_create", provider, calls))})["both"]
        job = {"calls": calls, "in_flight": IN_FLIGHT, "latency_s": LATENCY_S, "slots": IN_FLIGHT}
        found["litellm_router"] = asyncio.run(peers.run("litellm_router", "full", [provider.openai_url], **job))
    over = found["beside_sdk_create"]["gateway_over_it"]
    found["reached"] = {
        "cpu": over["cpu_ms_a_call"] <= MOST_CPU_MS,
        "cpu_over_the_adapter": found["beside_adapter"]["gateway_over_it"]["cpu_ms_a_call"] <= MOST_CPU_MS,
        "latency": found["in_turn"]["gateway_over_sdk_create_p50_ms"] <= MOST_LATENCY_MS,
        "memory": over["memory_mb"] <= MOST_MEMORY_MB,
    }
    return found


def measured(name: str, provider: Simulator, calls: int) -> dict[str, float]:
    """What one way takes, alone in this process."""

    async def alone() -> dict[str, float]:
        ask, close = WAYS[name](provider)
        found = await _measure(ask, calls)
        await close()
        return found

    return uvloop.run(alone())


def in_turn(name: str, other: str, provider: Simulator, calls: int) -> dict[str, float]:
    """The latencies of two ways in this process, every second call by the other."""
    latencies: dict[str, list[float]] = {name: [], other: []}

    async def both() -> dict[str, float]:
        ways = {way: WAYS[way](provider) for way in latencies}

        async def ask(number: int) -> object:
            way = (name, other)[number % 2]
            began = time.perf_counter()
            found = await ways[way][0](number)
            latencies[way].append(time.perf_counter() - began)
            return found

        await _measure(ask, calls)
        for _, close in ways.values():
            await close()
        p50_ms = {way: (quantile(values, 0.5) - LATENCY_S) * 1000 for way, values in latencies.items()}
        return {
            **{f"{way}_p50_ms": round(value, 2) for way, value in p50_ms.items()},
            f"{name}_over_{other}_p50_ms": round(p50_ms[name] - p50_ms[other], 2),
        }

    return uvloop.run(both())


def _over(pair: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    return {figure: round(pair["gateway"][figure] - pair[name][figure], 3) for figure in FIGURES}


def _adapter(provider: Simulator) -> Way:
    """The SDK as the gateway calls it, behind a semaphore: the floor."""
    client = provider.provider("openai")
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def ask(number: int) -> object:
        async with slots:
            return await client.ask(_request(number), 60)

    return ask, client.close


def _sdk_create(provider: Simulator) -> Way:
    """The SDK as its documentation calls it, with its own retries, behind a semaphore."""
    client = openai.AsyncOpenAI(
        api_key="sk-bench", base_url=provider.openai_url, max_retries=2, http_client=openai.DefaultAioHttpClient()
    )
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def ask(number: int) -> object:
        request = _request(number)
        async with slots:
            found = await client.chat.completions.create(
                model=request.model,
                messages=[
                    {"role": "system", "content": request.system},
                    {"role": "user", "content": request.user},
                ],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "ticket", "strict": True, "schema": dict(SCHEMA)},
                },
                max_completion_tokens=request.max_tokens,
                store=False,
            )
            return json.loads(found.choices[0].message.content or "")

    return ask, client.close


def _gateway(provider: Simulator) -> Way:
    subject = gateway(
        {"openai": provider.account("openai", {"requests_per_minute": 10**7, "tokens_per_minute": 10**9})}
    )

    async def ask(number: int) -> object:
        return await subject.complete(question(f"{TICKET} {number}"))

    return ask, subject.close


WAYS = {"sdk_create": _sdk_create, "adapter": _adapter, "gateway": _gateway}


def _request(number: int) -> Request:
    # Rendered as the gateway's questions are: what the prompt takes is on both sides.
    prompt = question(f"{TICKET} {number}").prompt
    return Request(FIRST.model, prompt.system, prompt.user.text, "ticket", SCHEMA, FIRST.max_tokens, user_hash="0" * 32)


async def _measure(ask: Ask, calls: int) -> dict[str, float]:
    await asyncio.gather(*(ask(-number) for number in range(100)))
    gc.collect()
    before = rss_mb()
    numbers, latencies, failed = iter(range(calls)), list[float](), 0

    async def worker() -> None:
        nonlocal failed
        for number in numbers:
            began = time.perf_counter()
            try:
                await ask(number)
            except Exception:  # noqa: BLE001 - counted: on a busy machine a connection may time out
                failed += 1
            else:
                latencies.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_later(worker, LATENCY_S * index / IN_FLIGHT) for index in range(IN_FLIGHT)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return {
        "cpu_ms_a_call": round(cpu / calls * 1000, 4),
        "latency_p50_ms": round((quantile(latencies, 0.5) - LATENCY_S) * 1000, 2),
        "latency_p99_ms": round((quantile(latencies, 0.99) - LATENCY_S) * 1000, 2),
        "memory_mb": round(rss_mb() - before, 1),
        "seconds": round(seconds, 2),
        "failed": failed,
    }


async def _later(worker: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Spread over one latency: a thousand at the same moment would measure the start only."""
    await asyncio.sleep(seconds)
    await worker()
