"""Nearly the same is the same only where the guards say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm import Account, CachePolicy, Gateway, GatewayPolicy, Question, SimilarPolicy
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.similar import SimilarQuestions, cosine, guards, vector
from pipeline.redact.redacted import Redacted
from tests.unit.llm.questions import gateway, question, says

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("please cancel my order today", "please do not cancel my order today"),
        ("please cancel my order today", "please don't cancel my order today"),
        ("bitte meinen Vertrag kündigen", "bitte meinen Vertrag nicht kündigen"),
        ("I was charged 49.90 twice", "I was charged 49.09 twice"),
        ("my card ending 12 is lost", "my card ending 21 is lost"),
        ("parcel for [PERSON_1] is late", "parcel for [PERSON_2] is late"),
        ("my parcel to Berlin is late", "my parcel to Boston is late"),
        ("the transfer works", "the transfer never works"),
    ],
)
def test_another_number_name_or_negation_is_another_question(one: str, other: str) -> None:
    seen = SimilarQuestions(SimilarPolicy(least=0.0))
    seen.add(b"", one, "key")
    assert seen.find(b"", one) == "key"
    assert seen.find(b"", other) == ""


def test_word_forms_marks_and_case_at_a_start_are_no_difference() -> None:
    assert guards("My card. Where is it?") == guards("where is my card")
    assert cosine(vector("Where's my parcel?"), vector("where's  my PARCEL")) == pytest.approx(1)


@given(st.text(max_size=80), st.text(max_size=80))
def test_likeness_is_between_0_and_1_and_the_same_both_ways(one: str, other: str) -> None:
    assert 0 <= cosine(vector(one), vector(other)) <= 1 + 1e-9
    assert cosine(vector(one), vector(other)) == pytest.approx(cosine(vector(other), vector(one)))


@given(
    st.lists(st.sampled_from(["late parcel", "late parcels", "my parcel is late", "a loan", "no loan"]), max_size=30)
)
def test_what_is_kept_is_bounded(texts: list[str]) -> None:
    seen = SimilarQuestions(SimilarPolicy(max_entries=3, most_compared=2))
    for number, text in enumerate(texts):
        seen.add(b"", text, f"{number}")
        assert len(seen) <= 3
        assert seen.find(b"", text) == f"{number}"


def _asked(text: str, **more: Any) -> Question[str]:
    made = question(text=text, **more)
    return replace(made, prompt=replace(made.prompt, record=Redacted.authored(text)))


def test_it_is_off_unless_asked_for_and_stays_within_a_tenant(run: Run) -> None:
    async def main(policy: CachePolicy, tenant: str) -> tuple[int, int]:
        provider = ScriptedProvider(always=says())
        subject = gateway(GatewayPolicy(cache=policy), openai=provider)
        await subject.complete(_asked("where is my parcel"))
        await subject.complete(_asked("where is my parcel now", tenant=tenant))
        return len(provider.asked), subject.status().cache.similar

    allowed = CachePolicy(similar=SimilarPolicy(least=0.8))
    assert run(main(CachePolicy(), "acme")) == (2, 0)
    assert run(main(allowed, "acme")) == (1, 1)
    assert run(main(allowed, "globex")) == (2, 0)


def test_a_similar_answer_grows_old_as_others_do(run: Run) -> None:
    async def main() -> None:
        provider = ScriptedProvider(always=says())
        clock = asyncio.get_running_loop().time
        policy = GatewayPolicy(cache=CachePolicy(similar=SimilarPolicy(least=0.8)))
        subject = Gateway({"openai": Account(provider)}, policy, clock=clock, wall=clock)
        await subject.complete(_asked("where is my parcel"))
        await asyncio.sleep(7200)
        await subject.complete(_asked("where is my parcel now"))
        assert len(provider.asked) == 2

    run(main())
