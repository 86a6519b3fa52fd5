"""What a caller of the gateway gets, whatever its providers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pipeline.errors import AnswerError, CallError, Cause, ProvidersOutError, RefusalError, UsageError
from pipeline.llm import Account, BreakerState, Completion, Invalid, Outage, Outcome, Tier
from pipeline.llm.providers.provider import Failure, Limits, ProviderError, Reply, Request, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from tests.unit.llm.conftest import VirtualLoop
from tests.unit.llm.questions import LARGE, SMALL, SMALL_ELSEWHERE, Watcher, fails, gateway, question, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def outcomes(completion: Completion[str]) -> list[tuple[str, str]]:
    return [(attempt.tier, attempt.outcome) for attempt in completion.attempts]


def test_an_answer_comes_with_its_provenance_and_exact_cost(run: Run) -> None:
    async def main() -> None:
        completion = await gateway(openai=ScriptedProvider([says()])).complete(question())
        assert (completion.answer, completion.provider, completion.model, completion.tier) == (
            "cards", "openai", "gpt-4.1-mini", "small",
        )  # fmt: skip
        # 100 tokens in at $0.40, 10 out at $1.60 a million
        assert completion.cost_usd == Decimal("0.000056")
        assert outcomes(completion) == [("small", Outcome.ANSWERED)]

    run(main())


def test_a_moment_of_failure_is_retried_and_not_seen(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([fails(Failure.SERVER_ERROR, 500), fails(Failure.OVERLOADED, 529), says()])
        completion = await gateway(openai=provider).complete(question())
        assert [o for _, o in outcomes(completion)] == [Outcome.SERVER_ERROR, Outcome.OVERLOADED, Outcome.ANSWERED]

    run(main())


def test_the_second_provider_answers_while_the_first_fails(run: Run) -> None:
    async def main() -> None:
        first = ScriptedProvider(always=fails(Failure.UNREACHABLE))
        second = ScriptedProvider(always=says())
        subject = gateway(openai=first, anthropic=second)
        completions = [await subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(50)]
        assert all(completion.provider == "anthropic" for completion in completions)
        assert len(first.asked) < 10, "a dead provider was asked for each record"

    run(main())


def test_a_hanging_provider_costs_each_record_no_timeout(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        hanging = Account(ScriptedProvider(always=says(), latency_s=3600), timeout_s=30)
        subject = gateway(openai=hanging, anthropic=ScriptedProvider(always=says()))
        await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(20)))
        began = loop.time()
        for _ in range(20):
            await subject.complete(question(SMALL, SMALL_ELSEWHERE))
        assert loop.time() - began < 35, "more than one record paid the timeout"

    run(main())


def test_a_thousand_records_wait_through_an_outage_of_everybody_and_go_on_within_five_seconds(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = ScriptedProvider(always=fails(Failure.OVERLOADED, 503), latency_s=0.02)
        second = ScriptedProvider(always=fails(Failure.UNREACHABLE), latency_s=0.02)
        subject = gateway(openai=first, anthropic=second)
        waiting = [asyncio.create_task(subject.complete(question(SMALL, SMALL_ELSEWHERE))) for _ in range(1000)]
        await asyncio.sleep(600)
        assert not any(task.done() for task in waiting)
        during = len(first.asked) + len(second.asked)
        assert during < 2 * (1000 + 600 / 3 + 20), f"{during} calls in an outage"
        first.always = says()
        began = loop.time()
        completions = await asyncio.gather(*waiting)
        assert loop.time() - began < 5
        assert {completion.answer for completion in completions} == {"cards"}
        assert max(len(completion.attempts) for completion in completions) < 400

    run(main())


def test_one_providers_minute_out_costs_it_few_calls_and_its_return_is_noticed_soon(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = ScriptedProvider(always=says(), latency_s=0.02)
        subject = gateway(openai=first, anthropic=ScriptedProvider(always=says(), latency_s=0.02))
        await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(30)))
        first.always, before = fails(Failure.OVERLOADED, 503), len(first.asked)
        ends = loop.time() + 60
        while loop.time() < ends:
            await subject.complete(question(SMALL, SMALL_ELSEWHERE))
            await asyncio.sleep(0.1)
        assert len(first.asked) - before - 5 < 15, "probes"
        first.always = says()
        for _ in range(20):
            await asyncio.sleep(0.1)
            await subject.complete(question(SMALL, SMALL_ELSEWHERE))
        completion = await subject.complete(question(SMALL, SMALL_ELSEWHERE))
        assert completion.provider == "openai", "2 s after it was back, it was still not asked"
        await subject.close()

    run(main())


def test_time_in_which_this_process_did_not_run_makes_no_provider_slow(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        provider = ScriptedProvider(always=says(), latency_s=0.5)
        subject = gateway(openai=Account(provider, timeout_s=120))
        await asyncio.gather(*(subject.complete(question(SMALL)) for _ in range(30)))
        asked = [asyncio.create_task(subject.complete(question(SMALL, text=str(number)))) for number in range(50)]
        await asyncio.sleep(0.1)
        loop.now += 30
        await asyncio.gather(*asked)
        assert subject.status().routes[0].breaker_opened == 0
        await subject.close()

    run(main())


def test_a_model_that_takes_its_time_is_not_slow_before_its_usual_time_is_known(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=9)
        subject = gateway(openai=Account(provider, timeout_s=120))
        asked = []
        for number in range(60):
            asked.append(asyncio.create_task(subject.complete(question(SMALL, text=str(number)))))
            await asyncio.sleep(0.2)
        await asyncio.gather(*asked)
        assert subject.status().routes[0].breaker_opened == 0
        assert len(provider.asked) == 60
        await subject.close()

    run(main())


def test_a_provider_that_hangs_is_found_out_long_before_its_timeouts(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = Account(provider := ScriptedProvider(always=says(), latency_s=0.5), timeout_s=120)
        subject = gateway(openai=first, anthropic=ScriptedProvider(always=says(), latency_s=0.5))
        await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(30)))
        provider.latency_s = 3600
        began = loop.time()
        tasks = []
        for _ in range(100):
            tasks.append(asyncio.create_task(subject.complete(question(SMALL, SMALL_ELSEWHERE))))
            await asyncio.sleep(0.1)
        completions = await asyncio.gather(*tasks)
        assert {completion.provider for completion in completions} == {"anthropic"}
        assert loop.time() - began < 10 + 4, "a record waited for the timeout"
        slow = [attempt for completion in completions for attempt in completion.attempts if attempt.latency_s > 1]
        assert len(slow) < 60, "calls went on to a provider that hangs"
        assert max(attempt.latency_s for attempt in slow) < 6
        assert all(attempt.maybe_billed for attempt in slow)
        await subject.close()

    run(main())


def test_calls_that_were_slow_and_answer_together_are_answers(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=0.5)
        subject = gateway(openai=provider, anthropic=ScriptedProvider(always=says(), latency_s=0.5))
        await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(30)))
        provider.latency_s = 3
        await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(6)))
        assert all(route.running == 0 for route in subject.status().routes), "a place was lost"
        await subject.close()

    run(main())


def test_recovery_is_no_storm(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=fails(Failure.OVERLOADED, 503), latency_s=0.1)
        watcher = Watcher()
        subject = gateway(observer=watcher, openai=provider)
        waiting = [asyncio.create_task(subject.complete(question())) for _ in range(500)]
        await asyncio.sleep(60)
        before = len(provider.asked)
        provider.always = says()
        await watcher.closed.wait()
        await asyncio.sleep(0.15)
        assert len(provider.asked) - before < 12, "all that waited came at once"
        await asyncio.gather(*waiting)

    run(main())


def test_nobody_is_forgotten_when_those_who_were_woken_give_up(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=fails(Failure.OVERLOADED, 503), latency_s=0.1)
        watcher = Watcher()
        subject = gateway(observer=watcher, openai=provider)
        waiting = [asyncio.create_task(subject.complete(question())) for _ in range(100)]
        await asyncio.sleep(30)
        provider.always = says()
        await watcher.closed.wait()
        for task in waiting[::2]:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(result, Completion) for result in results) >= 50

    run(main())


def test_a_429_makes_the_pool_wait_and_is_no_attempt(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider([fails(Failure.THROTTLED, 429, Limits(retry_after_s=7))], always=says())
        subject = gateway(openai=provider, anthropic=ScriptedProvider(always=says("elsewhere")))
        began = loop.time()
        completion = await subject.complete(question(SMALL, SMALL_ELSEWHERE))
        assert loop.time() - began == pytest.approx(7, abs=0.1)
        assert completion.answer == "cards"
        assert len(completion.attempts) == 1
        assert subject.status().routes[0].throttled + subject.status().routes[-1].throttled == 1

    run(main())


def test_an_invalid_answer_is_corrected_by_its_problems_and_not_its_data(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([writes('{"colour": "secret red"}'), says()])
        completion = await gateway(openai=provider).complete(question())
        assert [o for _, o in outcomes(completion)] == [Outcome.INVALID, Outcome.ANSWERED]
        assert "category: is missing" in provider.asked[1].user
        assert "secret red" not in provider.asked[1].user
        assert provider.asked[1].system == provider.asked[0].system

    run(main())


def test_three_invalid_answers_go_one_tier_up(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([writes("[]")] * 3 + [says("from large")])
        completion = await gateway(openai=provider).complete(question(SMALL, LARGE))
        assert completion.answer == "from large"
        assert [request.model for request in provider.asked] == ["gpt-4.1-mini"] * 3 + ["gpt-4.1"]

    run(main())


def test_never_valid_anywhere_is_an_answer_error_with_everything_that_was_paid(run: Run) -> None:
    async def main() -> None:
        subject = gateway(openai=ScriptedProvider(always=writes("{}")), anthropic=ScriptedProvider(always=writes("{}")))
        with pytest.raises(AnswerError) as caught:
            await subject.complete(question(SMALL, SMALL_ELSEWHERE))
        assert caught.value.cause is Cause.ANSWER_INVALID
        assert len(caught.value.attempts) == 6
        assert sum(attempt.cost_usd for attempt in caught.value.attempts) > 0

    run(main())


def test_a_truncated_answer_gets_more_room_once(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([writes('{"cat', Stop.LENGTH), says()])
        completion = await gateway(openai=provider).complete(question())
        assert completion.answer == "cards"
        assert [request.max_tokens for request in provider.asked] == [500, 1000]
        always = ScriptedProvider(always=writes('{"cat', Stop.LENGTH))
        with pytest.raises(AnswerError) as caught:
            await gateway(openai=always).complete(question())
        assert caught.value.cause is Cause.ANSWER_TRUNCATED
        assert len(always.asked) == 2

    run(main())


def test_a_refusal_goes_to_the_other_provider_and_then_to_the_dead_letters(run: Run) -> None:
    async def main() -> None:
        first = ScriptedProvider(always=writes("", Stop.REFUSAL))
        completion = await gateway(openai=first, anthropic=ScriptedProvider(always=says())).complete(
            question(SMALL, LARGE, SMALL_ELSEWHERE)
        )
        assert completion.provider == "anthropic"
        assert len(first.asked) == 1, "another model of a provider that declined was asked"
        with pytest.raises(RefusalError):
            await gateway(openai=first).complete(question(SMALL, LARGE))

    run(main())


@pytest.mark.parametrize("refusing_first", [True, False])
def test_a_refusal_takes_no_safe_answer_whatever_the_others_said(run: Run, refusing_first: bool) -> None:
    async def main() -> None:
        refuses = ScriptedProvider(always=writes("", Stop.REFUSAL))
        babbles = ScriptedProvider(always=writes("{}"))
        first, second = (refuses, babbles) if refusing_first else (babbles, refuses)
        subject = gateway(openai=first, anthropic=second)
        with pytest.raises(RefusalError) as caught:
            await subject.complete(
                question(
                    SMALL,
                    replace(SMALL_ELSEWHERE, name="other"),
                    invalid=Invalid.FALLBACK,
                    outage=Outage.FALLBACK,
                    fallback=lambda: "OTHER",
                )
            )
        assert len(caught.value.attempts) == 4, "one refusal, three answers that were not valid"

    run(main())


def test_a_rejected_request_is_this_records_failure_and_opens_nothing(run: Run) -> None:
    async def main() -> None:
        subject = gateway(openai=ScriptedProvider(always=fails(Failure.REJECTED, 400)))
        for _ in range(20):
            with pytest.raises(CallError) as caught:
                await subject.complete(question())
            assert caught.value.cause is Cause.REQUEST_REJECTED
        assert subject.status().routes[0].breaker is BreakerState.CLOSED

    run(main())


@pytest.mark.parametrize(("failure", "status"), [(Failure.TIMEOUT, 408), (Failure.SERVER_ERROR, 409)])
def test_a_request_that_came_at_a_bad_moment_is_tried_again_and_opens_nothing(
    run: Run, failure: Failure, status: int
) -> None:
    async def main() -> None:
        watcher = Watcher()
        always = ScriptedProvider([fails(failure, status)] * 20, always=says())
        subject = gateway(None, watcher, openai=always)
        completions = await asyncio.gather(*(subject.complete(question(text=str(n))) for n in range(20)))
        assert {completion.answer for completion in completions} == {"cards"}
        assert not watcher.changes

    run(main())


@pytest.mark.parametrize("failure", [Failure.LOCKED_OUT, Failure.UNUSABLE_MODEL, Failure.SPENT])
def test_a_bad_key_makes_records_wait_until_it_is_mended(run: Run, failure: Failure) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=fails(failure, 401))
        subject = gateway(openai=provider)
        waiting = [asyncio.create_task(subject.complete(question())) for _ in range(50)]
        await asyncio.sleep(300)
        assert not any(task.done() for task in waiting)
        assert len(provider.asked) < 75
        provider.always = says()
        await asyncio.gather(*waiting)

    run(main())


def test_one_model_locked_out_leaves_the_others_of_its_provider_in_use(run: Run) -> None:
    async def main() -> None:
        def by_model(request: Request) -> Reply:
            if request.model == "gpt-4.1-mini":
                raise fails(Failure.UNUSABLE_MODEL, 404)
            return says("from large")

        completion = await gateway(openai=ScriptedProvider(always=by_model)).complete(question(SMALL, LARGE))
        assert completion.answer == "from large"

    run(main())


def test_the_safe_answer_stands_in_when_the_enrichment_says_so(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(openai=ScriptedProvider(always=fails(Failure.UNREACHABLE)))
        began = loop.time()
        completion = await subject.complete(
            question(outage=Outage.FALLBACK, fallback=lambda: "needs a human", deadline=timedelta(seconds=10))
        )
        assert completion.answer == "needs a human"
        assert completion.tier == "fallback"
        assert loop.time() - began == pytest.approx(10, abs=0.5)

    run(main())


def test_an_outage_is_a_dead_letter_only_where_the_enrichment_says_so(run: Run) -> None:
    async def main() -> None:
        subject = gateway(openai=ScriptedProvider(always=fails(Failure.UNREACHABLE)))
        with pytest.raises(ProvidersOutError) as caught:
            await subject.complete(question(outage=Outage.DEAD_LETTER, deadline=timedelta(seconds=10)))
        assert caught.value.cause is Cause.PROVIDERS_OUT

    run(main())


def test_who_only_tries_something_out_is_told_of_an_outage_within_seconds(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(openai=ScriptedProvider())
        began = loop.time()
        with pytest.raises(ProvidersOutError) as caught:
            await subject.complete(question(outage=Outage.DEAD_LETTER, patient=False))
        assert loop.time() - began < 10
        assert 3 <= len(caught.value.attempts) < 10, "a moment of failure is still retried"

    run(main())


def test_one_record_alone_waits_through_hours_of_silence(run: Run) -> None:
    async def main() -> None:
        hanging = ScriptedProvider(always=says(), latency_s=3600)
        subject = gateway(openai=Account(hanging, timeout_s=20))
        waiting = asyncio.create_task(subject.complete(question()))
        await asyncio.sleep(6 * 3600)
        assert not waiting.done()
        hanging.latency_s = 0.1
        assert (await asyncio.wait_for(waiting, 30)).answer == "cards"
        await subject.close()

    run(main())


def test_a_request_that_kills_every_model_while_others_are_answered_dies_in_the_end(run: Run) -> None:
    async def main() -> None:
        def poisoned(request: Request) -> Reply:
            if "poison" in request.user:
                raise fails(Failure.SERVER_ERROR, 500)
            return says()

        subject = gateway(openai=ScriptedProvider(always=poisoned), anthropic=ScriptedProvider(always=poisoned))
        poison = asyncio.create_task(subject.complete(question(SMALL, SMALL_ELSEWHERE, text="poison")))
        while not poison.done():
            await subject.complete(question(SMALL, SMALL_ELSEWHERE))
            await asyncio.sleep(0.05)
        with pytest.raises(CallError):
            poison.result()

    run(main())


def test_an_unsure_answer_is_asked_again_one_tier_up(run: Run) -> None:
    small = Tier("small", "openai", "gpt-4.1-mini", 500, escalate_below=0.7)

    def sure(answer: str) -> float:
        return 0.9 if answer == "sure" else 0.3

    async def main() -> None:
        provider = ScriptedProvider([says("unsure"), says("sure")])
        completion = await gateway(openai=provider).complete(question(small, LARGE, confidence=sure))
        assert (completion.answer, completion.tier) == ("sure", "large")
        assert outcomes(completion) == [("small", Outcome.UNSURE), ("large", Outcome.ANSWERED)]

    run(main())


def test_an_unsure_answer_is_kept_when_nobody_better_can_be_asked(run: Run) -> None:
    small = Tier("small", "openai", "gpt-4.1-mini", 500, escalate_below=0.7)
    large = Tier("large", "anthropic", "claude-sonnet-4-6", 500)

    async def main() -> None:
        out = ScriptedProvider(always=fails(Failure.LOCKED_OUT, 401))
        subject = gateway(openai=ScriptedProvider(always=says("unsure")), anthropic=out)
        for _ in range(3):
            completion = await subject.complete(question(small, large, confidence=lambda _: 0.3))
            assert (completion.answer, completion.tier) == ("unsure", "small")
        assert len(out.asked) == 1

    run(main())


def test_a_tier_of_an_unknown_provider_is_named_in_one_line(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="no provider is named mistral"):
            await gateway(openai=ScriptedProvider()).complete(question(Tier("small", "mistral", "m", 10)))

    run(main())


def test_a_cancelled_call_gives_its_place_back(run: Run) -> None:
    async def main() -> None:
        slow = Account(ScriptedProvider(always=says(), latency_s=10), max_concurrency=1)
        subject = gateway(openai=slow)
        first = asyncio.create_task(subject.complete(question()))
        queued = asyncio.create_task(subject.complete(question()))
        await asyncio.sleep(1)
        first.cancel()
        assert (await queued).answer == "cards"
        assert subject.status().routes[0].running == 0

    run(main())


def test_a_long_prompt_skips_the_tiers_that_do_not_take_it(run: Run) -> None:
    narrow = Tier("small", "openai", "gpt-4.1-mini", 500, max_input_tokens=1000)

    async def main() -> None:
        provider = ScriptedProvider(always=says())
        subject = gateway(openai=provider)
        assert (await subject.complete(question(narrow, LARGE, tokens=900))).tier == "small"
        assert (await subject.complete(question(narrow, LARGE, tokens=1100))).tier == "large"
        with pytest.raises(CallError) as caught:
            await subject.complete(question(narrow, tokens=1100))
        assert caught.value.cause is Cause.PROMPT_TOO_LONG

    run(main())


def test_a_call_whose_answer_got_lost_is_told_apart_from_one_that_never_went_out(run: Run) -> None:
    async def main() -> None:
        lost = ProviderError(Failure.TIMEOUT, maybe_billed=True)
        subject = gateway(openai=ScriptedProvider([lost, fails(Failure.UNREACHABLE), says()]))
        completion = await subject.complete(question())
        assert [attempt.maybe_billed for attempt in completion.attempts] == [True, False, False]
        assert subject.status().routes[0].maybe_billed == 1

    run(main())


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        (Tier("small", "mistral", "m", 10), r"tickets: tiers\[1\]\.provider mistral has no settings"),
        (
            Tier("small", "openai", "gpt-4.1-mimi", 10),
            r"tickets: tiers\[1\]\.model: openai has no model gpt-4",
        ),
        (Tier("small", "anthropic", "gpt-4.1-mini", 10), r"tiers\[1\]\.model: anthropic has no model gpt-4\.1-mini"),
        (Tier("small", "openai", "gpt-3.5-turbo-0613", 10), r"tiers\[1\]\.model: openai switched .* off on 2024-09-13"),
        (Tier("small", "anthropic", "claude-opus-4-0", 10), r"tiers\[1\]\.model: anthropic switched .* off on 2026-06"),
    ],
)
def test_a_ladder_with_an_unknown_model_is_an_error_at_start_up(run: Run, tier: Tier, message: str) -> None:
    async def main() -> None:
        subject = gateway(openai=ScriptedProvider(), anthropic=ScriptedProvider())
        current = Tier("small", "openai", "gpt-6-luna", 500)
        subject.require("tickets", [current, SMALL_ELSEWHERE])
        with pytest.raises(UsageError, match=message):
            subject.require("tickets", [current, tier])

    run(main())


def test_models_of_a_server_of_ones_own_are_not_looked_up(run: Run) -> None:
    async def main() -> None:
        subject = gateway(local=Account(ScriptedProvider([says()]), priced=False))
        tier = Tier("small", "local", "smollm2", 100)
        subject.require("tickets", [tier])
        assert (await subject.complete(question(tier))).cost_usd == 0

    run(main())
