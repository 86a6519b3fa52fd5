"""All faults at 5 % each: every question accounted for, the ledger equal to the simulator's bill, memory flat.

The simulator bills what a vendor does: each answer that it wrote, whether or not anybody still waited for it. The
ledger has two columns: what was told with answers, and what calls without one may be billed at most. The bill is
itemised, so that the two are compared call by call: calls with an answer must be billed at what the ledger says, to the
last digit; all others must be calls that the gateway gave up, and cost no more than the ledger set aside for them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any

import uvloop
from benchmarks.gateway_scenarios.stage import FIRST, SECOND, TICKET, Simulator, question, rss_mb, simulator
from pipeline.errors import AnswerError, BudgetError, CallError, RefusalError
from pipeline.llm import CallDetails, Gateway, GatewayPolicy, LocalLedger, Period, Unobserved
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
    profile = {"openai": wire, "anthropic": wire, "itemised_bill": True}
    with simulator(profile) as provider, tempfile.TemporaryFile("w+") as file:
        return uvloop.run(_soak(provider, questions, _Receipts(file)))


class _Receipts(Unobserved):
    """What was booked for each call with an answer, by the provider's name for it. In a file: memory is measured."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def called(self, details: CallDetails) -> None:
        if details.attempt.reply_id:
            self._file.write(f"{details.attempt.reply_id} {details.attempt.cost_usd}\n")

    def read(self) -> dict[str, Decimal]:
        self._file.seek(0)
        return {name: Decimal(cost) for name, cost in map(str.split, self._file)}


async def _soak(provider: Simulator, questions: int, receipts: _Receipts) -> dict[str, Any]:
    ledger = LocalLedger()
    accounts = {wire: provider.account(wire, timeout_s=TIMEOUT_S) for wire in ("openai", "anthropic")}
    subject = Gateway(accounts, POLICY, ledger=ledger, observer=receipts)
    ends: Counter[str] = Counter()
    numbers, memory = iter(range(questions)), list[float]()

    async def worker() -> None:
        for number in numbers:
            if number % (questions // 20) == questions // 40:
                memory.append(rss_mb())
            ends[await _end(subject, number)] += 1

    began = datetime.now(UTC)
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    seconds = round((datetime.now(UTC) - began).total_seconds(), 1)
    state = await asyncio.to_thread(provider.control)
    bill = {item["id"]: Decimal(item["cost_usd"]) for item in await asyncio.to_thread(provider.bill_items)}
    status = subject.status()
    await subject.close()
    spent = ledger.spent(ANY, ANY, Period.MONTH, datetime.now(UTC))
    paid = receipts.read()
    whole = sum((Decimal(part["cost_usd"]) for part in state["bill"].values()), Decimal(0))
    settled = sum((bill.get(name, Decimal(0)) for name in paid), Decimal(0))
    given_up = {name: cost for name, cost in bill.items() if name not in paid}
    maybe_billed = sum(route.maybe_billed for route in status.routes)
    provider_calls = sum(state[wire]["requests"] for wire in ("openai", "anthropic"))
    gateway_calls = sum(route.calls for route in status.routes)
    growth_mb = round(memory[-1] - memory[len(memory) // 4], 1)
    return {
        "questions": questions,
        "ends": dict(ends),
        "accounted_for": sum(ends.values()),
        "provider_calls": provider_calls,
        "gateway_calls": gateway_calls,
        "bill_usd": str(whole),
        "answers": {
            "calls": len(paid),
            "ledger_usd": str(spent.usd),
            "billed_usd": str(settled),
        },
        "given_up": {
            "calls": maybe_billed,
            "calls_billed": len(given_up),
            "ledger_at_most_usd": str(spent.unsettled_usd),
            "billed_usd": str(sum(given_up.values(), Decimal(0))),
        },
        "memory_mb": [round(value, 1) for value in memory],
        "memory_growth_mb": growth_mb,
        "seconds": seconds,
        "reached": {
            "answers_refusals_dead_are_asked": sum(ends.values()) == questions,
            "every_call_is_counted": provider_calls == gateway_calls,
            "ledger_equals_bill": paid == {name: bill[name] for name in paid if name in bill} and spent.usd == settled,
            "given_up_within_what_was_set_aside": len(given_up) <= maybe_billed
            and settled + sum(given_up.values()) == whole <= spent.usd + spent.unsettled_usd,
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
