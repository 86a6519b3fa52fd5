"""The text in question is found in the prompt, whatever stands around it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.simulator.document import document, label_descriptions

_TEXT = "My card was charged twice.\n\nPlease help. [PERSON_1]"


@pytest.mark.parametrize(
    "prompt",
    [
        "Sort this ticket.\n<<<body kdmgoppbal\n{}\nkdmgoppbal>>>\nAnswer in JSON.",
        "Subject:\n<<<subject kdmgoppbal\nHello\nkdmgoppbal>>>\n\nBody:\n<<<body kdmgoppbal\n{}\nkdmgoppbal>>>",
        'Read <ticket id="7f3a">{}</ticket> and answer.',
        "=== BEGIN 7f3a91 ===\n{}\n=== END 7f3a91 ===\nNow answer with one object that has all its fields, please.",
        "Here it is:\n-----\n{}\n-----\nThank you.",
        "```text\n{}\n```",
        "### Ticket\n{}",
        "{}",
    ],
)
def test_the_text_is_found_between_any_delimiters(prompt: str) -> None:
    assert document([prompt.format(_TEXT)]) == _TEXT


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_closes_a_random_code(text: str) -> None:
    prompt = f"Sort this.\n<<<body kdmgoppbal\n{text}\nkdmgoppbal>>>\nAnswer."
    assert document([prompt]) == text.strip()


def test_rules_and_tags_inside_the_text_stay_inside() -> None:
    text = f"{_TEXT}\n----- Original message -----\n<b>bold</b> <p>So it was.</p>\n----- message ends -----\n{_TEXT}"
    assert document([f"<<<body kdmgoppbal\n{text}\nkdmgoppbal>>>"]) == text


def test_the_longest_message_is_read_when_a_correction_follows() -> None:
    first = f"<<<body kdmgoppbal\n{_TEXT * 5}\nkdmgoppbal>>>"
    assert document([first, "Your answer was not valid: confidence is missing."]) == _TEXT * 5
    assert document([]) == ""


def test_a_text_of_nothing_but_rules_costs_no_seconds() -> None:
    began = time.process_time()
    document(["--- abc def ---\n" * 20_000, "<<<>>>" * 20_000])
    assert time.process_time() - began < 2


def test_labels_are_read_with_their_descriptions() -> None:
    prompt = (
        'Categories:\n- BILLING: invoice, fee\n* `LATE PARCEL`: lost: or late\n-no: label\n  - "x.y": z\ntext - a: b'
    )
    assert label_descriptions(prompt) == {"BILLING": "invoice, fee", "LATE PARCEL": "lost: or late", "x.y": "z"}
