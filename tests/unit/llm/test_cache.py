"""No question is paid for twice, and nobody gets an answer to another question."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.errors import AnswerError, ProvidersOutError
from pipeline.llm import Account, Budget, CachePolicy, Gateway, GatewayPolicy, Hard, InvalidAnswerError, Outage, Tier
from pipeline.llm.cache import AnswerKeys, AnswerStore, MemoryCache, StoredAnswer
from pipeline.llm.providers.provider import Failure, Reply, Request
from pipeline.llm.providers.scripted import ScriptedProvider
from tests.unit.llm.questions import LARGE, SMALL, fails, question, read, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]
CACHED = GatewayPolicy(cache=CachePolicy(fresh_for=timedelta(minutes=10), stale_for=timedelta(minutes=30)))


def gateway(policy: GatewayPolicy = CACHED, store: AnswerStore | None = None, **providers: ScriptedProvider) -> Gateway:
    time = asyncio.get_running_loop().time
    accounts = {name: Account(provider, name) for name, provider in providers.items()}
    return Gateway(accounts, policy, clock=time, wall=time, draw=random.Random(1), store=store)


def test_the_same_question_is_asked_once(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says())
        subject = gateway(openai=provider)
        first, second = await subject.complete(question()), await subject.complete(question())
        assert (first.answer, first.cached) == ("cards", False)
        assert (second.answer, second.cached, second.provider, second.tier) == ("cards", True, "openai", "small")
        assert second.cost_usd == 0
        assert not second.attempts
        assert len(provider.asked) == 1
        assert subject.status().cache.saved_usd == first.cost_usd > 0

    run(main())


def test_equal_questions_in_flight_make_one_call(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=1)
        subject = gateway(openai=provider)
        texts = [f"question {number % 350}" for number in range(500)]
        completions = await asyncio.gather(*(subject.complete(question(text=text)) for text in texts))
        assert len(provider.asked) == 350, "provider calls = distinct questions"
        assert sum(completion.cached for completion in completions) == 150
        assert sum(completion.cost_usd for completion in completions) == completions[0].cost_usd * 350

    run(main())


DIFFERENT = [
    {"tenant": "other"},
    {"text": "another question"},
    {"enrichment": "claims"},
    {"tiers": (LARGE,)},
    {"tiers": (SMALL, LARGE)},
    {"tiers": (replace(SMALL, max_tokens=501),)},
    {"tiers": (replace(SMALL, temperature=0.1),)},
    {"schema": {"type": "object", "title": "v2"}},
]


@pytest.mark.parametrize("change", DIFFERENT, ids=str)
def test_questions_that_differ_in_anything_that_matters_have_different_keys(change: Mapping[str, Any]) -> None:
    keys = AnswerKeys()
    plain = question(tenant=str(change.get("tenant", "acme")), text=str(change.get("text", "my card was swallowed")))
    other = replace(plain, **{name: value for name, value in change.items() if name not in ("tenant", "text")})
    assert keys.key(question()) == keys.key(question())
    assert keys.key(other) != keys.key(question())


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_no_tenant_can_be_spelled_so_that_it_shares_anothers_answers(a: str, b: str, c: str, d: str) -> None:
    keys = AnswerKeys()
    first = replace(question(tenant=a), enrichment=b)
    second = replace(question(tenant=c), enrichment=d)
    assert (keys.key(first) == keys.key(second)) == ((a, b) == (c, d))


def test_answers_that_were_not_valid_or_not_sure_are_not_kept(run: Run) -> None:
    unsure = replace(SMALL, escalate_below=0.7)

    async def main() -> None:
        provider = ScriptedProvider([writes("{}")] * 3 + [says()])
        subject = gateway(openai=provider)
        with pytest.raises(AnswerError):
            await subject.complete(question())
        assert (await subject.complete(question())).answer == "cards"
        provider = ScriptedProvider(always=says("perhaps"))
        subject = gateway(openai=provider, anthropic=ScriptedProvider(always=fails(Failure.LOCKED_OUT, 401)))
        ladder = (unsure, Tier("large", "anthropic", "claude-sonnet-4-6", 500))
        for _ in range(3):
            await subject.complete(question(*ladder, confidence=lambda _: 0.2))
        assert len(provider.asked) == 3

    run(main())


def test_a_second_opinion_is_kept_for_the_next_who_asks(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider([says("perhaps"), says("surely")], always=fails(Failure.UNREACHABLE))
        subject = gateway(openai=provider)
        ladder = (replace(SMALL, escalate_below=0.5), LARGE)
        sure = {"perhaps": 0.2, "surely": 0.9}.__getitem__
        for cached in (False, True):
            completion = await subject.complete(question(*ladder, confidence=sure))
            assert (completion.answer, completion.tier, completion.cached) == ("surely", "large", cached)
        await subject.close()

    run(main())


def test_an_unsure_answer_that_only_money_kept_from_a_second_opinion_is_not_kept(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says("perhaps"))
        spent = Budget(usd=Decimal("0.00001"), hard=Hard.CHEAPER)
        subject = gateway(replace(CACHED, budgets=(spent,)), openai=provider)
        ladder = (replace(SMALL, escalate_below=0.5), LARGE)
        await subject.complete(question(text="what spends it"))
        for _ in range(2):
            assert (await subject.complete(question(*ladder, confidence=lambda _: 0.2))).answer == "perhaps"
        subject.set_budgets([])
        provider.always = says("surely")
        sure = {"perhaps": 0.2, "surely": 0.9}.__getitem__
        assert (await subject.complete(question(*ladder, confidence=sure))).answer == "surely"

    run(main())


def test_a_safe_answer_is_not_kept(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=fails(Failure.UNREACHABLE))
        subject = gateway(openai=provider)
        asked = question(outage=Outage.FALLBACK, fallback=lambda: "human", deadline=timedelta(seconds=3))
        assert (await subject.complete(asked)).answer == "human"
        provider.always = says()
        await asyncio.sleep(10)
        assert (await subject.complete(asked)).answer == "cards"

    run(main())


def test_answers_are_asked_again_when_they_are_old(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says())
        subject = gateway(openai=provider)
        await subject.complete(question())
        await asyncio.sleep(599)
        assert (await subject.complete(question())).cached
        await asyncio.sleep(2)
        assert not (await subject.complete(question())).cached

    run(main())


def test_an_old_answer_stands_in_while_nobody_can_be_asked(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = ScriptedProvider(always=says())
        subject = gateway(openai=provider)
        await subject.complete(question())
        provider.always = fails(Failure.UNREACHABLE)
        await asyncio.sleep(1200)
        waiting = [asyncio.create_task(subject.complete(question(text=f"new {n}"))) for n in range(10)]
        await asyncio.sleep(5)
        began = loop.time()
        completion = await subject.complete(question())
        assert (completion.answer, completion.cached) == ("cards", True)
        assert loop.time() - began < 1
        assert subject.status().cache.stale == 1
        assert not any(task.done() for task in waiting), "questions without an old answer wait on"
        await asyncio.sleep(1200)
        too_old = question(outage=Outage.DEAD_LETTER, deadline=timedelta(seconds=5))
        with pytest.raises(ProvidersOutError):
            await subject.complete(too_old)
        provider.always = says()
        await asyncio.gather(*waiting)

    run(main())


def test_each_record_checks_a_shared_answer_for_itself(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says("[PERSON_2]"), latency_s=1)
        subject = gateway(openai=provider)

        def strict(data: Mapping[str, object]) -> str:
            if data["category"] == "[PERSON_2]":
                raise InvalidAnswerError(["category: holds a placeholder that is not in the text"])
            return read(data)

        lenient = asyncio.create_task(subject.complete(question()))
        await asyncio.sleep(0.1)
        picky = asyncio.create_task(subject.complete(replace(question(), read=strict)))
        assert (await lenient).answer == "[PERSON_2]"
        provider.always = says("cards")
        assert (await picky).answer == "cards"

    run(main())


def test_when_the_first_of_equal_questions_gives_up_the_next_goes_on(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=1)
        subject = gateway(openai=provider)
        tasks = [asyncio.create_task(subject.complete(question())) for _ in range(5)]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert Counter(result.cached for result in results[1:] if not isinstance(result, BaseException)) == {
            False: 1,
            True: 3,
        }

    run(main())


def test_a_defect_in_front_and_a_waiter_who_leaves_are_nobody_elses_loss(run: Run) -> None:
    def broken(_: object) -> str:
        raise KeyError("a defect in one caller's own code")

    async def main() -> None:
        provider = ScriptedProvider(always=says(), latency_s=1)
        subject = gateway(openai=provider)
        questions = [replace(question(), read=broken), *(question() for _ in range(4))]
        tasks = [asyncio.create_task(subject.complete(each)) for each in questions]
        await asyncio.sleep(0.5)
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], KeyError)
        assert isinstance(results[2], asyncio.CancelledError)
        assert [getattr(results[place], "answer", None) for place in (1, 3, 4)] == ["cards"] * 3
        assert len(provider.asked) == 2, "one for the defect, one for all the others"

    run(main())


def test_a_failure_of_the_question_itself_is_shared_and_billed_once(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=writes("{}"), latency_s=1)
        subject = gateway(openai=provider)
        tasks = [asyncio.create_task(subject.complete(question())) for _ in range(5)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, AnswerError) for error in errors)
        assert sorted(len(error.attempts) for error in errors if isinstance(error, AnswerError)) == [0, 0, 0, 0, 3]
        assert len(provider.asked) == 3

    run(main())


def test_equal_questions_each_keep_their_own_deadline(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subject = gateway(openai=ScriptedProvider(always=fails(Failure.UNREACHABLE)))
        asked = question(outage=Outage.DEAD_LETTER, deadline=timedelta(seconds=5))
        began = loop.time()
        results = await asyncio.gather(*(subject.complete(asked) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(result, ProvidersOutError) for result in results)
        assert loop.time() - began < 6

    run(main())


# ---- the memory of one worker


def stored(size: int = 100, at: float = 0.0) -> StoredAnswer:
    return StoredAnswer(b"x" * size, "openai", "m", "small", False, Decimal("0.001"), at)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5000)), max_size=80))
def test_memory_stays_inside_its_bounds_and_keeps_what_was_used_last(puts: list[tuple[str, int]]) -> None:
    policy = CachePolicy(max_entries=4, max_bytes=8000)
    cache = MemoryCache(policy)
    for key, size in puts:
        cache.put(key, stored(size))
        assert len(cache) <= policy.max_entries
        assert cache.bytes <= policy.max_bytes
        assert cache.get(key, 0) is not None, "what was put last is gone"
    for key in "abcdefgh":
        cache.drop(key)
    assert cache.bytes == 0


def test_what_is_used_again_stays_longer() -> None:
    cache = MemoryCache(CachePolicy(max_entries=2))
    cache.put("a", stored())
    cache.put("b", stored())
    cache.get("a", 0)
    cache.put("c", stored())
    assert cache.get("a", 0) is not None
    assert cache.get("b", 0) is None


@given(st.binary(max_size=60))
def test_what_others_wrote_into_the_store_is_no_answer(raw: bytes) -> None:
    with pytest.raises(ValueError):
        StoredAnswer.load(raw)


def test_a_stored_answer_survives_the_way_through_the_store() -> None:
    answer = StoredAnswer(b'{"category":"\xc3\xa4"}', "openai", "m", "small", True, Decimal("0.000056"), 1234.5)
    assert StoredAnswer.load(answer.dump()) == answer


class Shelf:
    """A store that several workers share."""

    def __init__(self) -> None:
        self.answers: dict[str, StoredAnswer] = {}

    async def get(self, key: str) -> StoredAnswer | None:
        return self.answers.get(key)

    async def put(self, key: str, answer: StoredAnswer, keep_for: timedelta) -> None:
        self.answers[key] = answer

    async def close(self) -> None: ...


def test_workers_share_their_answers(run: Run) -> None:
    async def main() -> None:
        shelf, asked = Shelf(), []

        def answer(request: Request) -> Reply:
            asked.append(request)
            return says()

        workers = [
            gateway(store=shelf, openai=ScriptedProvider(always=answer), anthropic=ScriptedProvider()) for _ in range(3)
        ]
        completions = []
        for worker in workers:
            completions.append(await worker.complete(question(SMALL)))
            await worker.close()
        assert [completion.cached for completion in completions] == [False, True, True]
        assert len(asked) == 1

    run(main())
