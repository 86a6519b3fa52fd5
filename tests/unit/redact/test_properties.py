"""What holds for any text: it comes back as it was, nothing is found twice, every offset is one of the original."""

from __future__ import annotations

import functools
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.errors import RedactionError
from pipeline.redact import Redaction, RedactionPolicy, Redactor, placeholders
from pipeline.redact.crowded import with_placeholders
from pipeline.redact.decoding import decoded
from pipeline.redact.joining import joined
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.scanner import Found
from pipeline.redact.shadow import fold

_PERSONAL = (
    "Joanna Doe",
    "jo.doe@example.com",
    "+1 415 555 0134",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "Mr. Henry Walton",
    "born on 4.10.1956",
    "12 Main Street, Springfield, IL 62704",
    "Regards,\nJoanna",
    "203.0.113.7",
    "jo.doe%40example.com",
    "ｊｏ＠example.com",
    "415-\n555-0134",
    "am9hbm5hLmRvZUBleGFtcGxlLmNvbQ==",
)
_TRICKY = (
    "[PERSON_1]",
    "[EMAIL_1.2]",
    "person_1]",
    "[DATE_OF_BIRTH_1:1985]",
    "[",
    "]",
    "\ud800",
    "\u200b",
    "&#64;",
    "%41",
)
_MOST_ROUNDS = 6
_TEXTS = st.lists(st.one_of(st.sampled_from(_PERSONAL + _TRICKY), st.text(max_size=12)), max_size=8).map(" ".join)
_PARAGRAPHS = st.lists(st.one_of(st.sampled_from(_PERSONAL + _TRICKY), st.text(max_size=30)), max_size=8).map(
    ".\n\n".join
)
_ANY = st.one_of(_TEXTS, st.text(st.characters(), max_size=80))


@functools.cache
def _redactor() -> Redactor:
    return Redactor(RedactionPolicy())


def _text(redaction: Redaction) -> str:
    return redaction.fields["text"].text


@settings(deadline=None, max_examples=60)
@given(_ANY)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    redaction = _redactor().redact({"text": text})
    assert redaction.restore(_text(redaction)) == text


@settings(deadline=None, max_examples=60)
@given(_ANY, st.randoms(use_true_random=False))
def test_placeholders_in_any_order_come_back_as_their_originals(text: str, random: object) -> None:
    redaction = _redactor().redact({"text": text})
    spans = list(redaction.spans["text"])
    random.shuffle(spans)  # type: ignore[attr-defined]  # hypothesis' Random
    answer = " / ".join(span.placeholder for span in spans)
    assert redaction.restore(answer) == " / ".join(text[span.start : span.end] for span in spans)


@settings(deadline=None, max_examples=60)
@given(_PARAGRAPHS)
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = _text(_redactor().redact({"text": text}))
    assert _text(_redactor().redact({"text": once})) == once


@settings(deadline=None, max_examples=60)
@given(_TEXTS)
def test_redacting_values_without_gaps_again_takes_no_placeholder_away_and_comes_to_an_end(text: str) -> None:
    last = _text(_redactor().redact({"text": text}))
    for _ in range(_MOST_ROUNDS):
        redaction = _redactor().redact({"text": last})
        for span in redaction.spans["text"]:
            assert placeholders.BARE.search(last, span.start, span.end) is None
        assert redaction.restore(_text(redaction)) == last
        if _text(redaction) == last:
            return
        last = _text(redaction)
    raise AssertionError(last)


@settings(deadline=None, max_examples=60)
@given(_TEXTS)
def test_what_is_seen_beside_placeholders_has_its_place_in_the_original(text: str) -> None:
    shadow, redaction = fold(text), _redactor().redact({"text": text})
    found = [Found(span.start, span.end, span.type, Strength.SHAPE) for span in redaction.spans["text"]]
    view = with_placeholders(shadow, found, 0, len(shadow))
    assert len(view.text) == len(view.starts) == len(view.ends)
    for place, char in enumerate(view.text):
        start, end = view.origin(place, place + 1)
        assert shadow[start:end] == char or any((item.start, item.end) == (start, end) for item in found)


@settings(deadline=None, max_examples=60)
@given(_ANY)
def test_spans_are_stretches_of_the_original_in_order(text: str) -> None:
    redaction = _redactor().redact({"text": text})
    at, rebuilt = 0, list[str]()
    for span in redaction.spans["text"]:
        assert at <= span.start < span.end <= len(text)
        rebuilt += (text[at : span.start], span.placeholder)
        at = span.end
    assert "".join(rebuilt) + text[at:] == _text(redaction)


@settings(deadline=None, max_examples=60)
@given(_ANY)
def test_every_character_of_a_view_has_its_place_in_the_original(text: str) -> None:
    shadow = fold(text)
    assert len(shadow) == len(text)
    for view in (*decoded(shadow), *joined(shadow)):
        assert len(view.text) == len(view.starts)
        for place in range(len(view.text)):
            start, end = view.origin(place, place + 1)
            assert 0 <= start < end <= len(text)
        assert list(view.starts) == sorted(view.starts)


@settings(deadline=None, max_examples=60)
@given(_TEXTS, st.sampled_from(["[PERSON_77]", "[PERSON_1", "[person_1]", "[EMAIL_9.9]", "PERSON_5]"]))
def test_a_damaged_or_made_up_placeholder_is_never_restored(text: str, damaged: str) -> None:
    redaction = _redactor().redact({"text": text})
    if re.escape(damaged) in re.escape(text):
        return
    try:
        restored = redaction.restore(f"It was {damaged}")
    except RedactionError:
        return
    raise AssertionError(restored)
