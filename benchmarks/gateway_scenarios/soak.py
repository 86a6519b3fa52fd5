"""All faults at 5 % each: every question accounted for, the ledger equal to the simulator's bill, memory flat."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import uvloop
from benchmarks.gateway_scenarios.stage import FIRST, SECOND, TICKET, Simulator, question, rss_mb, simulator
from pipeline.errors import AnswerError, BudgetError, CallError, RefusalError
from pipeline.llm import Gateway, GatewayPolicy, LocalLedger, Period
from pipeline.llm.breaker import BreakerPolicy
from pipeline.llm.budget import ANY

IN_FLIGHT = 250
"""Few enough that both processes keep up: an answer read too late counts as lost here and as delivered there."""
TIMEOUT_S = 6.0
"""Far above every latency here: what times out is what the simulator holds back."""
FAULTS = ("429", "500", "503", "529", "timeout", "reset", "cut", "truncation", "invalid_json", "fenced_json",
          "chatty_json", "schema_violation", "empty", "refusal", "content_filter", "html")  # fmt: skip
POLICY = GatewayPolicy(
    cache=None,
    # More than half of all calls fail here for good: the breaker would rightly stop it.
    breaker=BreakerPolicy(failure_share=0.95, consecutive_failures=50),
)


MOST_GROWTH_MB = 10.0
"""Of memory, from a quarter of the way on."""


def run(questions: int = 37_000, share: float = 0.05) -> dict[str, Any]:
    faults = dict.fromkeys(FAULTS, share)
    wire = {"latency": {"p50_s": 0.02, "p99_s": 0.1}, "faults": faults, "retry_after_s": 0.01}
    # With four faults for each good answer a question takes 2.7 calls.
    with simulator({"openai": wire, "anthropic": wire}) as provider:
        return uvloop.run(_soak(provider, questions))


async def _soak(provider: Simulator, questions: int) -> dict[str, Any]:
    ledger = LocalLedger()
    accounts = {wire: provider.account(wire, timeout_s=TIMEOUT_S) for wire in ("openai", "anthropic")}
    subject = Gateway(accounts, POLICY, ledger=ledger)
    ends: Counter[str] = Counter()
    numbers, memory = iter(range(questions)), list[float]()

    async def worker() -> None:
        for number in numbers:
            if number % (questions // 20) == questions // 40:
                memory.append(rss_mb())
            ends[await _end(subject, number)] += 1

    began = datetime.now(UTC)
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    state = await asyncio.to_thread(provider.control)
    status = subject.status()
    await subject.close()
    spent = ledger.spent(ANY, ANY, Period.MONTH, datetime.now(UTC)).usd
    bill = state["bill"]
    delivered = _paid_for(bill["delivered"])
    provider_calls = sum(state[wire]["requests"] for wire in ("openai", "anthropic"))
    gateway_calls = sum(route.calls for route in status.routes)
    growth_mb = round(memory[-1] - memory[len(memory) // 4], 1)
    return {
        "questions": questions,
        "ends": dict(ends),
        "accounted_for": sum(ends.values()),
        "provider_calls": provider_calls,
        "gateway_calls": gateway_calls,
        "ledger_usd": str(spent),
        "bill_for_what_arrived_usd": str(delivered),
        "bill_for_what_got_lost_usd": bill["undelivered"]["cost_usd"],
        "calls_maybe_billed": sum(route.maybe_billed for route in status.routes),
        "memory_mb": [round(value, 1) for value in memory],
        "memory_growth_mb": growth_mb,
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 1),
        "reached": {
            "answers_refusals_dead_are_asked": sum(ends.values()) == questions,
            "every_call_is_counted": provider_calls == gateway_calls,
            "ledger_equals_bill": spent == delivered,
            "memory_flat": growth_mb <= MOST_GROWTH_MB,
        },
    }


async def _end(subject: Gateway, number: int) -> str:
    try:
        completion = await subject.complete(question(f"{TICKET} {number}", (FIRST, SECOND)))
    except RefusalError:
        return "refused"
    except AnswerError:
        return "never_valid"
    except (BudgetError, CallError) as error:
        return f"dead: {error.cause}"
    return f"answered by {completion.provider}"


def _paid_for(lines: Mapping[str, Any]) -> Decimal:
    return Decimal(lines["cost_usd"])
