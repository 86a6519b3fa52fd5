"""Retries help in a bad moment and stay a small share of what is asked; who asks stays unknown."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm import GatewayPolicy, Outcome
from pipeline.llm.breaker import BreakerPolicy
from pipeline.llm.providers.provider import Failure, Limits, Reply, Request
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.retry import RetryBudget, RetryPolicy, backoff_s
from tests.unit.llm.questions import SMALL, SMALL_ELSEWHERE, fails, gateway, question, says

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@given(st.integers(0, 100), st.none() | st.floats(0, 1000), st.integers())
def test_a_pause_is_anywhere_below_its_bound_and_never_shorter_than_the_provider_asks(
    failures: int, retry_after_s: float | None, seed: int
) -> None:
    policy = RetryPolicy()
    pause_s = backoff_s(policy, failures, retry_after_s, random.Random(seed))
    asked_s = min(retry_after_s or 0.0, policy.max_s * 4)
    assert asked_s <= pause_s <= max(asked_s, min(policy.max_s, policy.base_s * 2**failures))


def test_pauses_are_spread_over_all_of_it() -> None:
    draw = random.Random(1)
    pauses = sorted(backoff_s(RetryPolicy(), 3, None, draw) for _ in range(1000))
    assert pauses[0] < 0.05
    assert 0.8 < pauses[500] < 1.2
    assert pauses[-1] > 1.9


@given(st.lists(st.booleans(), max_size=500))
def test_retries_are_never_more_than_a_tenth_of_requests_and_the_first_few(steps: list[bool]) -> None:
    policy = RetryPolicy()
    budget, requests, retries = RetryBudget(policy), 0, 0
    for is_request in steps:
        if is_request:
            budget.deposit()
            requests += 1
        else:
            retries += budget.withdraw()
        assert retries <= policy.budget_burst + policy.budget_share * requests + 1e-9


def test_a_provider_that_fails_a_third_of_its_calls_is_not_asked_a_third_more(run: Run) -> None:
    async def main() -> None:
        draw = random.Random(4)

        def shaky(_: Request) -> Reply:
            if draw.random() < 0.33:
                raise fails(Failure.SERVER_ERROR, 500)
            return says()

        first = ScriptedProvider(always=shaky, latency_s=0.1)
        patient = GatewayPolicy(cache=None, breaker=BreakerPolicy(failure_share=1.0, consecutive_failures=100))
        subject = gateway(patient, openai=first, anthropic=ScriptedProvider(always=says(), latency_s=0.1))
        for _ in range(20):
            await asyncio.gather(*(subject.complete(question(SMALL, SMALL_ELSEWHERE)) for _ in range(50)))
        assert len(first.asked) <= 1000 * 1.1 + 10
        await subject.close()

    run(main())


def test_a_retry_waits_as_long_as_the_provider_asks(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider([fails(Failure.OVERLOADED, 503, Limits(retry_after_s=4))], always=says())
        began = loop.time()
        completion = await gateway(openai=provider).complete(question())
        assert loop.time() - began >= 4
        assert [attempt.outcome for attempt in completion.attempts] == [Outcome.OVERLOADED, Outcome.ANSWERED]

    run(main())


def test_providers_are_told_who_asks_by_a_hash_that_nobody_else_can_make(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says())
        one, other = gateway(openai=provider), gateway(openai=provider)
        for subject, tenant in ((one, "acme"), (one, "acme"), (one, "globex"), (other, "acme")):
            await subject.complete(question(tenant=tenant))
        first, second, third, elsewhere = (request.user_hash for request in provider.asked)
        assert first == second
        assert len({first, third, elsewhere}) == 3
        assert "acme" not in repr(provider.asked)

    run(main())
