"""Spending stops when told to, says so before it does, and goes on when it may."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.errors import BudgetError, Cause, Stage
from pipeline.llm import (
    Account,
    Budget,
    BudgetChange,
    Gateway,
    GatewayPolicy,
    Hard,
    Level,
    LocalLedger,
    Outage,
    Period,
    SpendAlarm,
    SpendRatePolicy,
    Spent,
)
from pipeline.llm.asking import Asking
from pipeline.llm.budget import ANY, SpendRate
from pipeline.llm.providers.provider import Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.spending import Allowance, Spending
from tests.unit.llm.questions import LARGE, SMALL, Watcher, question, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CALL_USD = Decimal("0.000056")
"""100 tokens in and 10 out of gpt-4.1-mini."""


class BudgetWatcher(Watcher):
    def __init__(self) -> None:
        super().__init__()
        self.budgets: list[BudgetChange] = []
        self.alarms: list[SpendAlarm] = []

    def budget_changed(self, change: BudgetChange) -> None:
        self.budgets.append(change)

    def spending_fast(self, alarm: SpendAlarm) -> None:
        self.alarms.append(alarm)


def gateway(
    provider: ScriptedProvider, *budgets: Budget, watcher: BudgetWatcher | None = None, **policy: Any
) -> Gateway:
    loop = asyncio.get_running_loop()
    began = loop.time()
    return Gateway(
        {"openai": Account(provider)},
        GatewayPolicy(cache=None, budgets=budgets, **policy),
        clock=loop.time,
        wall=lambda: NOON.timestamp() + loop.time() - began,
        observer=watcher,
        draw=random.Random(1),
    )


def test_a_spent_budget_holds_records_until_the_next_day(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider(always=says())
        subject = gateway(provider, Budget(usd=CALL_USD * 10))
        began = loop.time()
        tasks = [asyncio.create_task(subject.complete(question(text=str(number)))) for number in range(15)]
        await asyncio.sleep(3600)
        assert sum(task.done() for task in tasks) == 10
        assert subject.status().held == 5
        await asyncio.gather(*tasks)
        assert loop.time() - began == pytest.approx(12 * 3600, abs=120)

    run(main())


def test_a_thousand_at_once_do_not_overdraw_a_budget(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(output=200), latency_s=5)
        cost = CALL_USD + Decimal("0.0000016") * 190
        subject = gateway(provider, Budget(usd=cost * 100, hard=Hard.DEAD_LETTER))
        results = await asyncio.gather(
            *(subject.complete(question(text=str(number))) for number in range(1000)), return_exceptions=True
        )
        assert len(provider.asked) <= 100
        assert sum(isinstance(result, BudgetError) for result in results) == 1000 - len(provider.asked)

    run(main())


def test_dead_letter_safe_answer_or_cheaper_as_the_budget_says(run: Run) -> None:
    async def main() -> None:
        spent = Budget(usd=CALL_USD / 2)
        with pytest.raises(BudgetError) as caught:
            subject = gateway(ScriptedProvider(always=says()), replace(spent, hard=Hard.DEAD_LETTER))
            await subject.complete(question())
            await subject.complete(question())
        assert (caught.value.stage, caught.value.cause) == (Stage.BUDGET, Cause.BUDGET_SPENT)
        subject = gateway(ScriptedProvider(always=says()), replace(spent, hard=Hard.FALLBACK))
        await subject.complete(question())
        asked = question(outage=Outage.WAIT, fallback=lambda: "human")
        assert (await subject.complete(asked)).answer == "human"
        provider = ScriptedProvider(always=says())
        subject = gateway(provider, replace(spent, hard=Hard.CHEAPER))
        small = replace(SMALL, escalate_below=0.9)
        for _ in range(3):
            await subject.complete(question(small, LARGE, confidence=lambda _: 0.1))
        assert [request.model for request in provider.asked] == ["gpt-4.1-mini", "gpt-4.1"] + ["gpt-4.1-mini"] * 2

    run(main())


def test_the_soft_limit_is_told_and_ends_second_opinions(run: Run) -> None:
    async def main() -> None:
        watcher, provider = BudgetWatcher(), ScriptedProvider(always=says())
        subject = gateway(provider, Budget("acme", "tickets", usd=Decimal("0.01")), watcher=watcher)
        small = replace(SMALL, escalate_below=0.9)
        while not watcher.budgets:
            await subject.complete(question(small, LARGE, confidence=lambda _: 0.1))
        assert watcher.budgets == [BudgetChange("acme/tickets a day", Level.FREE, Level.SOFT)]
        before = len(provider.asked)
        await subject.complete(question(small, LARGE, confidence=lambda _: 0.1))
        assert [request.model for request in provider.asked[before:]] == ["gpt-4.1-mini"]

    run(main())


def test_budgets_of_one_tenant_or_enrichment_leave_others_alone(run: Run) -> None:
    async def main() -> None:
        spent = Budget("acme", usd=CALL_USD / 2, hard=Hard.DEAD_LETTER)
        subject = gateway(ScriptedProvider(always=says()), spent)
        await subject.complete(question(tenant="acme"))
        assert (await subject.complete(question(tenant="other"))).answer == "cards"
        with pytest.raises(BudgetError, match="acme/"):
            await subject.complete(question(tenant="acme"))

    run(main())


def test_tokens_can_be_the_limit_too(run: Run) -> None:
    async def main() -> None:
        subject = gateway(ScriptedProvider(always=says()), Budget(tokens=330, hard=Hard.DEAD_LETTER))
        answered = 0
        with pytest.raises(BudgetError):
            for _ in range(10):
                await subject.complete(question(replace(SMALL, max_tokens=10)))
                answered += 1
        assert answered == 3

    run(main())


def test_a_larger_budget_lets_held_records_go_on_at_once(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(ScriptedProvider(always=says()), Budget(usd=CALL_USD / 2))
        await subject.complete(question())
        held = asyncio.create_task(subject.complete(question()))
        await asyncio.sleep(10)
        assert not held.done()
        began = loop.time()
        subject.set_budgets([Budget(usd=Decimal(1))])
        await held
        assert loop.time() - began < 0.1

    run(main())


def test_held_records_keep_their_deadline(run: Run) -> None:
    async def main() -> None:
        subject = gateway(ScriptedProvider(always=says()), Budget(usd=CALL_USD / 2))
        await subject.complete(question())
        asked = question(outage=Outage.FALLBACK, fallback=lambda: "human", deadline=timedelta(seconds=30))
        assert (await asyncio.wait_for(subject.complete(asked), 31)).answer == "human"

    run(main())


def test_one_record_cannot_become_a_spiral(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=writes('{"cat', Stop.LENGTH))
        ladder = [replace(SMALL, name=f"step {number}", max_tokens=500) for number in range(50)]
        with pytest.raises(BudgetError, match="which is the most"):
            await gateway(provider, max_calls=15).complete(question(*ladder))
        assert len(provider.asked) == 15
        provider = ScriptedProvider(always=writes("{}"))
        with pytest.raises(BudgetError):
            await gateway(provider, max_tokens=1000).complete(question(*ladder))
        assert len(provider.asked) < 10

    run(main())


def test_the_ledger_holds_what_the_calls_cost_to_the_last_digit(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ledger = LocalLedger()
        provider = ScriptedProvider([writes("{}"), says()], always=says(output=33))
        subject = Gateway(
            {"openai": Account(provider)},
            GatewayPolicy(cache=None),
            clock=loop.time,
            ledger=ledger,
            wall=NOON.timestamp,
        )
        completions = [await subject.complete(question(text=str(number))) for number in range(50)]
        spent = ledger.spent(ANY, ANY, Period.DAY, NOON)
        assert spent.usd == sum(completion.cost_usd for completion in completions)
        assert spent.usd == subject.status().routes[0].cost_usd
        assert ledger.spent("acme", "tickets", Period.MONTH, NOON) == spent
        assert ledger.spent("acme", "claims", Period.DAY, NOON) == Spent()

    run(main())


TIMES = st.integers(0, 2 * 365 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))


@given(TIMES, st.sampled_from(Period))
def test_every_moment_lies_in_one_period(at: datetime, period: Period) -> None:
    assert period.begins(at) <= at < period.ends(at)
    assert period.begins(period.ends(at)) == period.ends(at)
    assert period.ends(period.begins(at)) == period.ends(at)


@given(st.lists(st.tuples(TIMES, st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 1000)), max_size=30))
def test_the_ledger_adds_up(entries: list[tuple[datetime, str, str, int]]) -> None:
    ledger, entries = LocalLedger(), sorted(entries)
    for at, tenant, enrichment, tokens in entries:
        ledger.add(tenant, enrichment, Spent(Decimal(tokens) / 10**6, tokens), at)
    if not entries:
        return
    now = entries[-1][0]
    for period in Period:
        inside = [entry for entry in entries if entry[0] >= period.begins(now)]
        for tenant in ("a", "b", ANY):
            for enrichment in ("x", "y", ANY):
                expected = sum(e[3] for e in inside if tenant in (ANY, e[1]) and enrichment in (ANY, e[2]))
                assert ledger.spent(tenant, enrichment, period, now).tokens == expected


def test_money_that_leaves_unusually_fast_raises_one_alarm() -> None:
    rate = SpendRate(SpendRatePolicy(least_usd=Decimal(1)))
    at, alarms = NOON, []
    for _ in range(180):
        at += timedelta(minutes=1)
        alarms.append(rate.add(Decimal("0.1"), at))
    assert not any(alarms), "the usual rate is no alarm"
    for _ in range(30):
        at += timedelta(minutes=1)
        alarms.append(rate.add(Decimal("1.5"), at))
    assert sum(alarm is not None for alarm in alarms) == 1


def test_a_small_or_a_new_spender_raises_no_alarm() -> None:
    rate = SpendRate(SpendRatePolicy(least_usd=Decimal(1)))
    assert rate.add(Decimal(500), NOON) is None, "nobody knows yet what is usual"
    small = SpendRate(SpendRatePolicy(least_usd=Decimal(1)))
    for minute in range(300):
        assert small.add(Decimal("0.00001"), NOON + timedelta(minutes=minute)) is None
    assert small.add(Decimal("0.5"), NOON + timedelta(minutes=300)) is None


@given(st.lists(st.tuples(st.sampled_from(["admit", "settle", "set"]), st.integers(0, 7)), max_size=60))
def test_budgets_may_change_at_any_moment_and_what_is_on_its_way_still_counts(steps: list[tuple[str, int]]) -> None:
    kinds = [Budget(tokens=10**9), Budget("acme", tokens=10**9), Budget(enrichment="tickets", usd=Decimal(10**6))]
    reserved = Spent(Decimal("0.01"), 100)

    async def main() -> None:
        spending = Spending([], LocalLedger(), SpendRatePolicy(), BudgetWatcher(), NOON.timestamp)
        asking = Asking(question(), asyncio.get_running_loop().time)
        allowances: list[Allowance] = []
        for step, number in steps:
            if step == "admit":
                allowances.append(await spending.admit(asking, reserved))
            elif step == "settle" and allowances:
                spending.settle(allowances.pop(number % len(allowances)), Spent())
            else:
                spending.set_budgets(kind for place, kind in enumerate(kinds) if number >> place & 1)
            expected = Spent(reserved.usd * len(allowances), reserved.tokens * len(allowances))
            for budget in spending._budgets:
                assert spending._on_the_way.get(budget, Spent()) == expected

    asyncio.run(main())


def test_a_new_budget_counts_the_calls_already_on_their_way(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=5)
        subject = gateway(provider)
        tasks = [asyncio.create_task(subject.complete(question(text=str(n)))) for n in range(100)]
        await asyncio.sleep(1)
        subject.set_budgets([Budget(usd=CALL_USD * 100, hard=Hard.DEAD_LETTER)])
        with pytest.raises(BudgetError):
            await subject.complete(question(text="one more"))
        await asyncio.gather(*tasks)

    run(main())


def test_a_second_try_of_a_truncated_answer_stays_inside_the_records_cap(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([writes('{"cat', Stop.LENGTH)], always=says())
        await gateway(provider, max_tokens=900).complete(question())
        # 900, of which the first call took 110 and the second prompt takes 100
        assert [request.max_tokens for request in provider.asked] == [500, 690]
        provider = ScriptedProvider([writes('{"cat', Stop.LENGTH)], always=says())
        await gateway(provider, max_tokens=700).complete(question(SMALL, LARGE))
        assert [request.model for request in provider.asked] == ["gpt-4.1-mini", "gpt-4.1"]

    run(main())
