"""Somebody who waits gets the faster of two answers; everybody else pays for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pipeline.errors import CallError
from pipeline.llm import GatewayPolicy, HedgePolicy, Lane, Outcome
from pipeline.llm.providers.provider import Failure, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from tests.unit.llm.questions import SMALL, SMALL_ELSEWHERE, Watcher, fails, gateway, question, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]

HEDGED = GatewayPolicy(cache=None, hedge=HedgePolicy())
TIERS = (SMALL, SMALL_ELSEWHERE)


async def warmed(
    policy: GatewayPolicy, observer: Watcher | None = None
) -> tuple[Any, ScriptedProvider, ScriptedProvider]:
    """A gateway whose first provider usually takes 0.5 s."""
    first = ScriptedProvider(always=says("first"), latency_s=0.5)
    second = ScriptedProvider(always=says("second"), latency_s=0.3)
    subject = gateway(policy, observer, openai=first, anthropic=second)
    for _ in range(30):
        await subject.complete(question(*TIERS))
    return subject, first, second


def test_a_slow_call_gets_company_and_the_faster_answer_counts(run: Run) -> None:
    async def main() -> None:
        watcher = Watcher()
        subject, first, second = await warmed(HEDGED, watcher)
        first.latency_s = 20
        began = asyncio.get_running_loop().time()
        completion = await subject.complete(question(*TIERS, lane=Lane.INTERACTIVE))
        assert (completion.answer, completion.provider) == ("second", "anthropic")
        assert asyncio.get_running_loop().time() - began < 1.5
        assert len(second.asked) == 1
        cancelled = [call.attempt for call in watcher.calls if call.attempt.outcome is Outcome.CANCELLED]
        assert [attempt.maybe_billed for attempt in cancelled] == [True]
        assert all(route.running == 0 for route in subject.status().routes)

    run(main())


def test_a_second_call_that_declines_rules_out_its_own_provider(run: Run) -> None:
    async def main() -> None:
        subject, first, second = await warmed(HEDGED)
        first.latency_s, second.always = 20, writes("", Stop.REFUSAL)
        task = asyncio.create_task(subject.complete(question(*TIERS, lane=Lane.INTERACTIVE)))
        await asyncio.sleep(1.5)
        first.latency_s = 0.1
        completion = await task
        assert completion.answer == "first", "the first provider has declined nothing"
        assert len(second.asked) == 1

    run(main())


def test_a_call_as_quick_as_usual_stays_alone(run: Run) -> None:
    async def main() -> None:
        subject, _, second = await warmed(HEDGED)
        for _ in range(20):
            completion = await subject.complete(question(*TIERS, lane=Lane.INTERACTIVE))
            assert completion.answer == "first"
        assert not second.asked

    run(main())


@pytest.mark.parametrize(("policy", "lane"), [(HEDGED, Lane.BACKLOG), (GatewayPolicy(cache=None), Lane.INTERACTIVE)])
def test_the_backlog_is_never_hedged_and_nobody_by_default(run: Run, policy: GatewayPolicy, lane: Lane) -> None:
    async def main() -> None:
        subject, first, second = await warmed(policy)
        first.latency_s = 1.5
        assert (await subject.complete(question(*TIERS, lane=lane))).answer == "first"
        assert not second.asked

    run(main())


def test_hedges_stay_a_small_share_of_calls(run: Run) -> None:
    async def main() -> None:
        subject, first, second = await warmed(HEDGED)
        for _ in range(200):
            first.latency_s = 1.9
            await subject.complete(question(*TIERS, lane=Lane.INTERACTIVE))
        assert 5 <= len(second.asked) <= 5 + 0.05 * 200 + 1

    run(main())


def test_when_one_of_the_two_fails_the_other_counts(run: Run) -> None:
    async def main() -> None:
        subject, first, second = await warmed(HEDGED)
        first.latency_s, second.always = 1.9, fails(Failure.SERVER_ERROR, 500)
        assert (await subject.complete(question(*TIERS, lane=Lane.INTERACTIVE))).answer == "first"
        first.always, second.always = fails(Failure.REJECTED, 400), fails(Failure.REJECTED, 400)
        with pytest.raises(CallError):
            await subject.complete(question(*TIERS, lane=Lane.INTERACTIVE))
        assert all(route.running == 0 for route in subject.status().routes)

    run(main())


def test_who_gives_up_ends_both_calls(run: Run) -> None:
    async def main() -> None:
        subject, first, second = await warmed(HEDGED)
        first.latency_s = second.latency_s = 20
        task = asyncio.create_task(subject.complete(question(*TIERS, lane=Lane.INTERACTIVE)))
        await asyncio.sleep(1.5)
        assert len(second.asked) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(route.running == 0 for route in subject.status().routes)

    run(main())
