"""No call that was paid is missing from the books, whatever happens to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pipeline.errors import BudgetError, ProvidersOutError
from pipeline.llm import (
    Account,
    Attempt,
    Budget,
    Gateway,
    GatewayPolicy,
    Hard,
    HedgePolicy,
    Lane,
    LocalLedger,
    Outage,
    Outcome,
    Period,
    Tier,
    Usage,
)
from pipeline.llm.budget import ANY
from pipeline.llm.prices import Prices
from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Request
from pipeline.llm.providers.scripted import ScriptedProvider
from tests.unit.llm.questions import LARGE, SMALL, SMALL_ELSEWHERE, Watcher, fails, gateway, question, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]

UNSURE = replace(SMALL, escalate_below=0.7)
HEDGED = GatewayPolicy(cache=None, hedge=HedgePolicy(least_s=1.0))


def broken(_: object) -> Any:
    raise KeyError("a defect in an enrichment's own code")


@pytest.mark.parametrize(
    "change",
    [{"read": broken}, {"confidence": broken, "tiers": (UNSURE, LARGE)}],
    ids=["reads", "judges"],
)
def test_a_call_is_on_the_books_when_the_code_that_reads_its_answer_fails(run: Run, change: Mapping[str, Any]) -> None:
    async def main() -> None:
        watcher, made = Watcher(), list[Attempt]()
        subject = gateway(GatewayPolicy(cache=None), watcher, openai=ScriptedProvider([writes("{}"), says()]))
        with pytest.raises(KeyError):
            await subject.complete(replace(question(), **change), made)
        assert made, "the caller cannot book what it was not told"
        assert all(attempt.cost_usd > 0 for attempt in made)
        assert made == [call.attempt for call in watcher.calls]
        booked = sum(route.cost_usd for route in subject.status().routes)
        assert booked == sum(attempt.cost_usd for attempt in made)

    run(main())


class Together(ScriptedProvider):
    """Answers when it is told to, as all of its kind do at once."""

    def __init__(self, go: asyncio.Event) -> None:
        super().__init__(always=says())
        self.go = go
        self.was_asked = asyncio.Event()

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        self.was_asked.set()
        await self.go.wait()
        return says()


async def hedged() -> tuple[Gateway, Together, Together, asyncio.Event]:
    go = asyncio.Event()
    first, second = Together(go), Together(go)
    subject = gateway(HEDGED, openai=first, anthropic=second)
    go.set()
    await subject.complete(question(SMALL))
    go.clear()
    return subject, first, second, go


def test_two_answers_at_the_same_moment_are_both_paid(run: Run) -> None:
    async def main() -> None:
        subject, _, second, go = await hedged()
        made = list[Attempt]()
        task = asyncio.create_task(subject.complete(question(SMALL, SMALL_ELSEWHERE, lane=Lane.INTERACTIVE), made))
        await second.was_asked.wait()
        go.set()
        completion = await task
        assert sorted(attempt.outcome for attempt in made) == [Outcome.ANSWERED, Outcome.UNUSED]
        assert all(attempt.cost_usd > 0 for attempt in made)
        assert completion.cost_usd == sum(attempt.cost_usd for attempt in made)
        assert all(route.running == 0 for route in subject.status().routes)

    run(main())


def test_answers_that_come_as_the_caller_gives_up_are_paid(run: Run) -> None:
    async def main() -> None:
        subject, _, second, go = await hedged()
        made = list[Attempt]()
        task = asyncio.create_task(subject.complete(question(SMALL, SMALL_ELSEWHERE, lane=Lane.INTERACTIVE), made))
        await second.was_asked.wait()
        go.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(made) == 2, "a call has no end"
        assert all(attempt.cost_usd > 0 or attempt.maybe_billed for attempt in made)

    run(main())


def test_what_a_call_without_an_answer_may_cost_is_set_aside_and_counts_in_the_budgets(run: Run) -> None:
    async def main() -> None:
        lost = ProviderError(Failure.UNREACHABLE, maybe_billed=True)
        ledger, wall = LocalLedger(), datetime(2026, 11, 2, tzinfo=UTC)
        policy = GatewayPolicy(cache=None, budgets=(Budget(usd=Decimal("0.01"), hard=Hard.DEAD_LETTER),))
        subject = Gateway(
            {"openai": Account(ScriptedProvider([lost, says()], always=lost))},
            policy,
            ledger=ledger,
            clock=asyncio.get_running_loop().time,
            wall=wall.timestamp,
        )
        completion = await subject.complete(question())
        spent = ledger.spent(ANY, ANY, Period.DAY, wall)
        assert spent.usd == completion.cost_usd == Prices("openai").cost(SMALL.model, Usage(100, 0, 10))
        at_most = Usage(100, 0, SMALL.max_tokens)
        assert spent.unsettled_usd == Prices("openai").cost(SMALL.model, at_most)
        assert spent.unsettled_tokens == 600
        assert subject.status().routes[0].unsettled_usd == spent.unsettled_usd
        with pytest.raises(BudgetError):
            for _ in range(100):
                with suppress(ProvidersOutError):
                    await subject.complete(question(outage=Outage.DEAD_LETTER, deadline=timedelta(seconds=1)))
        spent = ledger.spent(ANY, ANY, Period.DAY, wall)
        assert spent.usd == completion.cost_usd, "nothing more was billed for certain"
        await subject.close()

    run(main())


@pytest.mark.parametrize("second", ["capped", "away"])
def test_a_valid_answer_is_given_when_no_second_opinion_can_be_had(run: Run, second: str) -> None:
    large = Tier("large", "anthropic", "claude-sonnet-4-6", 500)

    async def main() -> None:
        policy = GatewayPolicy(cache=None, max_calls=1 if second == "capped" else 15)
        other = ScriptedProvider(always=fails(Failure.UNREACHABLE))
        subject = gateway(policy, openai=ScriptedProvider(always=says("unsure")), anthropic=other)
        completion = await subject.complete(
            question(UNSURE, large, confidence=lambda _: 0.3, outage=Outage.DEAD_LETTER, deadline=timedelta(seconds=1))
        )
        assert (completion.answer, completion.tier) == ("unsure", "small")

    run(main())


def test_a_spent_cap_without_any_valid_answer_is_still_an_error(run: Run) -> None:
    async def main() -> None:
        subject = gateway(GatewayPolicy(cache=None, max_calls=2), openai=ScriptedProvider(always=writes("{}")))
        with pytest.raises(BudgetError) as caught:
            await subject.complete(question())
        assert len(caught.value.attempts) == 2

    run(main())
