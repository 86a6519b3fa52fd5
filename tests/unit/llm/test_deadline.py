"""How long a record may take: its own time counts, and not that in line behind others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pipeline.errors import AnswerError, ProvidersOutError
from pipeline.llm import Account, BreakerState, CachePolicy, GatewayPolicy, Outage, Outcome, Tier
from pipeline.llm.providers.provider import Failure
from pipeline.llm.providers.scripted import ScriptedProvider
from tests.unit.llm.questions import LARGE, SMALL, SMALL_ELSEWHERE, fails, gateway, question, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]

TEN_SECONDS = timedelta(seconds=10)
BOUNDED = [Outage.FALLBACK, Outage.DEAD_LETTER]


@pytest.mark.parametrize("outage", Outage)
@pytest.mark.parametrize("line", ["quota", "place"])
def test_a_long_line_for_the_quota_is_no_outage(run: Run, outage: Outage, line: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider(always=says(), latency_s=1)
        account = Account(provider, requests_per_minute=60) if line == "quota" else Account(provider, max_concurrency=1)
        subject = gateway(openai=account)
        began = loop.time()
        completions = await asyncio.gather(
            *(
                subject.complete(question(text=str(n), outage=outage, fallback=lambda: "human", deadline=TEN_SECONDS))
                for n in range(100)
            )
        )
        assert loop.time() - began > 60
        assert {completion.answer for completion in completions} == {"cards"}

    run(main())


@pytest.mark.parametrize("outage", BOUNDED)
def test_a_call_that_hangs_is_cut_short_at_the_deadline(run: Run, outage: Outage) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(openai=Account(ScriptedProvider(always=says(), latency_s=3600), timeout_s=60))
        asked = question(outage=outage, fallback=lambda: "human", deadline=TEN_SECONDS)
        for number in range(6):
            began = loop.time()
            if outage is Outage.FALLBACK:
                completion = await subject.complete(asked)
                assert completion.answer == "human"
                assert number > 4 or [a.outcome for a in completion.attempts] == [Outcome.CANCELLED]
            else:
                with pytest.raises(ProvidersOutError):
                    await subject.complete(replace(asked, fallback=None))
            assert loop.time() - began == pytest.approx(10, abs=0.1)
        status = subject.status().routes[0]
        assert status.running == 0
        assert status.breaker is not BreakerState.CLOSED, "six calls hung and nobody noticed"
        assert status.maybe_billed >= 5
        await subject.close()

    run(main())


@pytest.mark.parametrize("outage", BOUNDED)
def test_retries_end_at_the_deadline(run: Run, outage: Outage) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        away = ScriptedProvider(always=fails(Failure.SERVER_ERROR, 500), latency_s=0.5)
        subject = gateway(openai=away)
        began = loop.time()
        with pytest.raises(ProvidersOutError, match="within 10 s"):
            await subject.complete(question(outage=outage, deadline=TEN_SECONDS))
        assert loop.time() - began <= 10.1
        await subject.close()

    run(main())


def test_answers_that_are_never_valid_end_at_the_deadline_even_where_outages_are_waited_for(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=writes("{}"), latency_s=6)
        subject = gateway(openai=provider)
        with pytest.raises(AnswerError, match="within 10 s") as caught:
            await subject.complete(question(SMALL, LARGE, deadline=TEN_SECONDS))
        assert len(provider.asked) == len(caught.value.attempts) == 2

    run(main())


def test_an_outage_takes_nothing_of_the_deadline_where_it_is_waited_for(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([fails(Failure.OVERLOADED, 503)] * 40 + [writes("{}")], always=says(), latency_s=4)
        completion = await gateway(openai=provider).complete(question(deadline=TEN_SECONDS))
        assert completion.answer == "cards"
        assert len(completion.attempts) == 42

    run(main())


@pytest.mark.parametrize("outage", Outage)
def test_a_valid_answer_is_given_when_there_is_no_time_for_a_second_opinion(run: Run, outage: Outage) -> None:
    small = replace(SMALL, escalate_below=0.7)
    large = Tier("large", "anthropic", "claude-sonnet-4-6", 500)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(
            openai=ScriptedProvider(always=says("unsure"), latency_s=12 if outage is Outage.WAIT else 6),
            anthropic=ScriptedProvider(always=says("sure"), latency_s=6),
        )
        began = loop.time()
        asked = question(small, large, confidence=lambda _: 0.3, outage=outage, deadline=TEN_SECONDS)
        assert (await subject.complete(asked)).answer == "unsure"
        assert loop.time() - began <= 12.1

    run(main())


def test_equal_questions_stand_in_line_together(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider(always=says(), latency_s=1)
        subject = gateway(GatewayPolicy(cache=CachePolicy()), openai=Account(provider, max_concurrency=1))
        busy = [asyncio.create_task(subject.complete(question(text=str(n)))) for n in range(60)]
        await asyncio.sleep(0)
        asked = question(outage=Outage.DEAD_LETTER, deadline=TEN_SECONDS)
        equal = await asyncio.gather(*(subject.complete(asked) for _ in range(20)))
        assert sum(completion.cached for completion in equal) == 19
        await asyncio.gather(*busy)
        provider.latency_s = 3600
        began = loop.time()
        hanging = replace(asked, prompt=question(text="other").prompt)
        results = await asyncio.gather(*(subject.complete(hanging) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(result, ProvidersOutError) for result in results)
        assert loop.time() - began < 21
        await subject.close()

    run(main())


def test_the_other_provider_is_asked_within_the_deadline(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(
            openai=ScriptedProvider(always=fails(Failure.OVERLOADED, 503), latency_s=0.2),
            anthropic=ScriptedProvider(always=says("elsewhere"), latency_s=0.2),
        )
        for _ in range(20):
            began = loop.time()
            asked = question(SMALL, SMALL_ELSEWHERE, outage=Outage.DEAD_LETTER, deadline=TEN_SECONDS)
            assert (await subject.complete(asked)).answer == "elsewhere"
            assert loop.time() - began < 5
        await subject.close()

    run(main())
