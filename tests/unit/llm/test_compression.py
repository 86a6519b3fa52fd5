"""What is taken out of a text bears no meaning; what might is left in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm.compression import Removed, compress
from pipeline.redact.redacted import Redacted

DATA = Path(__file__).parents[3] / "../shared/data"
ASK = "I was charged twice for March and would like one of the two payments back, please."


def squeezed(text: str) -> str:
    return compress(Redacted.authored(text)).text.text


@pytest.mark.parametrize(
    "rest",
    [
        "Best regards,\n[PERSON_1]\nHead of Purchasing\n[PHONE_1]",
        "-- \n[PERSON_1]\n[EMAIL_1]",
        "Kind regards\n[PERSON_1]\nSent from my iPhone",
        "Sent from my iPhone",
        "Mit freundlichen Grüßen\n[PERSON_1]\nAbteilung Einkauf",
        "Cordialement,\n[PERSON_1]",
        "Saludos,\n[PERSON_1]",
        "On Mon, 3 March 2026 at 10:12, [PERSON_2] wrote:\n> How can we help you?\n> Regards",
        "Am 3. März 2026 um 10:12 schrieb [PERSON_2]:\n> Wie können wir helfen?",
        "Le 3 mars 2026 à 10:12, [PERSON_2] a écrit :\n> Comment aider ?",
        "El 3 mar 2026, [PERSON_2] escribió:\n> ¿Cómo ayudar?",
        "-----Original Message-----\nFrom: [PERSON_2]\nSubject: your ticket\n\nHow can we help?",
        "From: [PERSON_2]\nSent: Monday\nTo: [PERSON_1]\n\nHow can we help?",
        "Von: [PERSON_2]\nGesendet: Montag\nAn: [PERSON_1]\n\nWie können wir helfen?",
        "> How can we help you?\n> Please reply above this line.",
        "This is confidential and may be privileged. If you are not the intended recipient, delete this message.",
        "Diese Nachricht ist vertraulich. Wenn Sie nicht der richtige Adressat sind oder sie irrtümlich erhalten "
        "haben, vernichten Sie diese Nachricht.",
    ],
)
def test_signatures_quoted_mail_and_legal_footers_go(rest: str) -> None:
    assert squeezed(f"{ASK}\n\n{rest}") == ASK


@pytest.mark.parametrize(
    "text",
    [
        f"{ASK}\n\nBest regards,\n[PERSON_1]\nPS: please cancel order 77 too",
        f"{ASK}\n\nRegards,\n[PERSON_1]\nCan I also have an invoice?",
        f"{ASK}\n\nRegards,\nI forgot to say that the second payment was made with another card of mine.",
        "See below.\n\nOn Mon, 3 March 2026, [PERSON_2] wrote:\n> my card was swallowed by the machine in Bonn",
        "> Which machine was it?\nThe one in Bonn.\n> And when?\nOn Monday.",
        "Regards,\nthe machine swallowed my card",
        f"{ASK} It is a confidential matter.",
        "Your employee said that my file is confidential and privileged. Am I the intended recipient of this letter?",
        f"{ASK}\n\nFrom: Bonn\nTo: Berlin\nthe parcel took three weeks",
        "On Monday I wrote: nobody answered.",
        "سلام\u200cها",
        "family: 👨\u200d👩\u200d👧",
        "a < b > c",
        "1. first\n2. second\n\n3. third",
    ],
)
def test_what_may_bear_meaning_stays(text: str) -> None:
    assert squeezed(text) == text


def test_white_space_shrinks_and_paragraphs_stay_apart() -> None:
    assert squeezed("  Hello   there \t \r\n\r\n\r\n\r\nMy  card\u00a0\u00a0is gone.\n \n \n") == (
        "Hello there\n\nMy card\u00a0is gone."
    )


def test_what_was_taken_out_is_told_by_reason() -> None:
    found = compress(Redacted.authored(f"{ASK}\u200b\n\n\n\nRegards,\n[PERSON_1]"))
    assert found.text.text == ASK
    assert found.removed[Removed.INVISIBLE] == 1
    assert found.removed[Removed.SIGNATURE] == len("Regards,\n[PERSON_1]")


@given(st.text(st.sampled_from("ab .>\n\t\r-_:?\u200b\u00a0")) | st.text())
def test_it_only_ever_takes_away_and_a_second_time_nothing(text: str) -> None:
    once = squeezed(text)
    rest = iter(text)
    assert all(character in rest for character in once), "something was added or moved"
    assert squeezed(once) == once


LINES = st.sampled_from(
    [ASK, "", "> quoted", "Regards,", "[PERSON_1]", "-- ", "On Monday, [PERSON_2] wrote:", "From: [PERSON_2]",
     "Sent: x",     "Sent from my phone", "confidential privileged intended recipient", "Why?", "PS: no"]
)  # fmt: skip


@given(st.lists(LINES, max_size=12))
def test_mails_of_any_make_are_stable_and_keep_their_first_sentence(lines: list[str]) -> None:
    text = "\n".join([ASK, *lines])
    once = squeezed(text)
    assert once.startswith(ASK)
    assert squeezed(once) == once


@pytest.mark.parametrize("name", ["cfpb_raw", "natcs_insurance", "bitext_support", "neiss_injury"])
def test_real_texts_without_mail_lose_white_space_only(name: str) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("the shared data are not here")
    with path.open(encoding="utf-8") as lines:
        texts = [str(json.loads(line)["text"]) for line in lines][:600]
    for text in texts:
        found = compress(Redacted.authored(text))
        assert set(found.removed) <= {Removed.WHITE_SPACE, Removed.INVISIBLE}
        assert found.text.text.split() == text.translate({0xAD: None, 0x200B: None}).split()


@pytest.mark.parametrize(
    "text",
    [" " * 200_000, ">\n" * 60_000 + "x", "regards\n" * 20_000, "a\n\n" * 60_000, "confidential " * 20_000,
     "\u200b" * 100_000, " \n" * 100_000, "Am " + "x" * 150_000, "From: a\n" * 20_000, "\t" * 90_000 + "x"],
    ids=lambda text: repr(text[:8]),
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    compress(Redacted.authored(text))
    assert time.process_time() - began < 0.5
