"""One provider away for a minute, then both: what it costs the provider that is away, and the records."""

from __future__ import annotations

import asyncio
import time
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
    quantile,
    question,
    simulator,
)
from pipeline.llm import Gateway

A_SECOND = 30
BEFORE_S = AFTER_S = 10.0
LATENCY = {"openai": {"p50_s": 0.3, "p99_s": 1.2}, "anthropic": {"p50_s": 0.4, "p99_s": 1.6}}
KINDS = ("503", "hang", "reset")
"""How an outage looks: errors at once, silence, closed connections."""
MOST_CALLS = 15
FIRST_ANSWER_S = 2.0
LATENCY_FACTOR = 2.0
LOOK_S = 0.02
MOST_AT_FIRST = 0.1
"""Of all that waited, how many may be asked in the first second after the return (or twice as many as come in a second
anyway, where that is more): above it is a storm."""
CALM_S = 8.0
"""So long into the outage nobody remembers the first provider: what the other takes then is its own latency."""


def run(peers: Peers, outage_s: float = 60.0, kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    """All outages at once, each with a simulator of its own; then the peers, which have another server of the same wire
    to turn to."""
    ours: dict[str, Any] = {f"one_out_{kind}": (_one, (kind, outage_s)) for kind in kinds}
    found = at_once({**ours, "both_out": (_both, (outage_s,))})
    found |= at_once({f"{peer}_503": (_peer, (peers, peer, outage_s)) for peer in PEERS})
    reached = {name: _reached(found[name]) for name in (f"one_out_{kind}" for kind in kinds)}
    both = found["both_out"]
    storm = max(2 * A_SECOND, MOST_AT_FIRST * both["waiting_at_the_end_of_the_outage"])
    reached["both_out"] = both["lost"] == 0 and both["calls_in_the_first_second"] < storm
    return {"outage_s": outage_s, "records_a_second": A_SECOND, **found, "reached": reached}


def _reached(found: dict[str, Any]) -> bool:
    return bool(
        found["failed"] == 0
        and found["calls_while_open"] < MOST_CALLS
        and found["first_answer_after_its_return_s"] < FIRST_ANSWER_S
        and found["added_p99_s"] <= LATENCY_FACTOR * found["p99_of_the_other_s"]
    )


def _one(kind: str, outage_s: float) -> dict[str, Any]:
    with simulator({wire: {"latency": latency} for wire, latency in LATENCY.items()}) as provider:
        return uvloop.run(_one_out(provider, kind, outage_s))


def _both(outage_s: float) -> dict[str, Any]:
    with simulator({wire: {"latency": latency} for wire, latency in LATENCY.items()}) as provider:
        return uvloop.run(_both_out(provider, outage_s))


def _peer(peers: Peers, peer: str, outage_s: float) -> dict[str, Any]:
    with (
        simulator({"openai": {"latency": LATENCY["openai"]}}) as first,
        simulator({"openai": {"latency": LATENCY["anthropic"]}}) as second,
    ):
        return uvloop.run(_peer_out(peers, peer, first, second, outage_s))


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
    await records.come(BEFORE_S)
    await asyncio.to_thread(provider.control, {"openai": {"outage": {"seconds": outage_s, "kind": kind}}})
    began = time.monotonic()
    back = began + outage_s
    coming = asyncio.create_task(records.come(outage_s))
    met_at_opening, opened_after_s = await _opening(provider, subject, began, back)
    await coming
    after = await _met(provider)
    await records.come(AFTER_S)
    await records.end()
    await subject.close()
    during = [latency for came, latency, _ in records.done if began + 1 <= came < back]
    usual = [latency for came, latency, by in records.done if began + CALM_S <= came < back and by == "anthropic"]
    p99_s, p99_of_the_other_s = quantile(during, 0.99), quantile(usual, 0.99)
    # Nobody at all: not before the end of what was looked at.
    first = min(
        (came + latency for came, latency, by in records.done if by == "openai" and came + latency > back),
        default=back + AFTER_S,
    )
    return {
        "records": len(records.done),
        "failed": records.failed,
        "breaker_opened_after_s": round(opened_after_s, 2),
        "calls_until_it_opened": met_at_opening,
        "calls_while_open": after - met_at_opening,
        "first_answer_after_its_return_s": round(first - back, 2),
        "latency_p50_s": round(quantile(during, 0.5), 3),
        "latency_p99_s": round(p99_s, 3),
        "p99_of_the_other_s": round(p99_of_the_other_s, 3),
        "added_p99_s": round(max(0.0, p99_s - p99_of_the_other_s), 3),
        "longest_s": round(max(during, default=0.0), 2),
    }


async def _opening(provider: Simulator, subject: Gateway, began: float, ends: float) -> tuple[int, float]:
    """How many calls had met the outage when the breaker opened, and how long that took."""
    for _ in range(int((ends - began) / LOOK_S)):
        await asyncio.sleep(LOOK_S)
        if subject.status().routes[-1].breaker_opened:
            return await _met(provider), time.monotonic() - began
    return 0, ends - began


async def _met(provider: Simulator) -> int:
    """Calls that met the outage, those still held by it included."""
    state = (await asyncio.to_thread(provider.control))["openai"]
    # Requests that an outage met are under no model.
    held = state["in_flight"] - sum(model["in_flight"] for model in state["models"].values())
    return int(state["outcomes"].get("outage", 0) + held)


async def _both_out(provider: Simulator, outage_s: float) -> dict[str, Any]:
    subject = _open(provider)
    records = _Records(subject)
    await records.come(BEFORE_S)
    out = {"outage": {"seconds": outage_s, "kind": "503"}}
    before = await asyncio.to_thread(provider.control, {"openai": out, "anthropic": out})
    cpu = time.process_time()
    coming = asyncio.create_task(records.come(outage_s + AFTER_S))
    after = await _returned(provider)
    back, cpu = time.monotonic(), time.process_time() - cpu
    waiting = len(records.tasks) - len(records.done)
    await asyncio.sleep(1)
    a_second_later = await asyncio.to_thread(provider.control)
    await coming
    await records.end()
    end = await asyncio.to_thread(provider.control)
    status = subject.status()
    await subject.close()
    first = min((came + latency for came, latency, _ in records.done if came + latency > back), default=back + AFTER_S)
    waited = sorted(came + latency - back for came, latency, _ in records.done if came < back) or [0.0]
    return {
        "records": len(records.done),
        "lost": records.failed,
        "waiting_at_the_end_of_the_outage": waiting,
        "calls_during_the_outage": _calls(after) - _calls(before),
        "cpu_s_during_the_outage": round(cpu, 2),
        "first_answer_after_it_s": round(first - back, 2),
        "nine_of_ten_that_waited_answered_after_s": round(quantile(waited, 0.9), 2),
        "all_that_waited_answered_after_s": round(waited[-1], 2),
        "calls_in_the_first_second": _calls(a_second_later) - _calls(after),
        "most_calls_at_once": max(end[wire]["peak_in_flight"] for wire in ("openai", "anthropic")),
        "breakers_opened": [route.breaker_opened for route in status.routes],
    }


async def _returned(provider: Simulator) -> dict[str, Any]:
    """The simulator's state at the outage's end, as it says itself: neither process keeps the other's time."""
    state = await asyncio.to_thread(provider.control)
    while state["anthropic"]["outage"] is not None:
        await asyncio.sleep(min(1.0, state["anthropic"]["outage"]["seconds_left"]))
        state = await asyncio.to_thread(provider.control)
    return state


def _calls(state: dict[str, Any]) -> int:
    """Begun so far, at both."""
    return sum(int(state[wire]["requests"] + state[wire]["in_flight"]) for wire in ("openai", "anthropic"))


async def _peer_out(peers: Peers, peer: str, first: Simulator, second: Simulator, outage_s: float) -> dict[str, Any]:
    job = peers.run(
        peer,
        "stream",
        [first.openai_url, second.openai_url],
        slots=1000,
        seconds=BEFORE_S + outage_s + AFTER_S,
        a_second=A_SECOND,
    )
    running = asyncio.create_task(job)
    while not running.done() and not (await asyncio.to_thread(first.control))["openai"]["requests"]:
        await asyncio.wait([running], timeout=0.05)
    await asyncio.wait([running], timeout=BEFORE_S)
    await asyncio.to_thread(first.control, {"openai": {"outage": {"seconds": outage_s, "kind": "503"}}})
    found = await running
    if "skipped" in found:
        return found
    state = await asyncio.to_thread(first.control)
    calls = [(came, took, answered) for came, took, answered in found["calls"]]
    during = [took for came, took, answered in calls if BEFORE_S + 1 <= came < BEFORE_S + outage_s and answered]
    return {
        "records": len(calls),
        "failed": sum(not answered for _, _, answered in calls) + found["unfinished"],
        "calls_that_met_the_outage": state["openai"]["outcomes"].get("outage", 0),
        "latency_p50_s": round(quantile(during, 0.5), 3) if during else None,
        "latency_p99_s": round(quantile(during, 0.99), 3) if during else None,
    }
