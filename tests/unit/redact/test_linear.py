"""No text makes the work grow faster than its length: calls are counted, not seconds."""

from __future__ import annotations

import functools
import random
import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.redact import Redactor
from pipeline.redact.multisearch import MultiSearch

_SIZE = 4_800
_SLACK = 1.35
"""Twice the text may cost a little over twice the calls: buffers at its ends, batches of line breaks."""
_REPEATED = (
    ".",
    "7",
    "a",
    "Aa",
    "&amp;amp;",
    "&#38;#38;#64;",
    "😀",
    "שלום ",
    "\ud800",
    "a@",
    "Mr. ",
    "Mr. Bb ",
    ":",
    "::1",
    "1/",
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
    "%41",
    "%2541",
    "Anna Smith, Peter Jones. ",
    "\n",
    "\t",
    "1\n",
    "a1\r\n",
    "a\u200b",
    "[PERSON_1] ",
    "[",
    "://a",
    "0O0 ",
    "one two ",
    "a b c d ",
    "=\n",
    "Dear ",
    "regards\n",
    "SW1A 1AA ",
    "12 Main Street, ",
    "DE89",
    "4111111111111111 ",
    "policy AB-123456 ",
    "von der ",
    "key ",
    "Via ",
    "eyJhbGciOiJI",
    "A. ",
    "<a ",
    "O'",
    "+1 ",
    "1 2 3 4 ",
    "12345\n",
    "Baker Stone ",
    "Steuer-ID 36 574 261 809 ",
    "%25",
    "jane.roe@example.com, ",
    "name,email,phone\nJane Roe,j@example.org,030 1234567\n",
    "abcdefghi=",
    "+1 415 555 0134 4",
    "Roe, Jane\n",
    "Ada: yes\n",
    "a\r\n> b1",
)


@functools.cache
def _redactor() -> Redactor:
    redactor = Redactor()
    redactor.find("My name is Joanna Doe, +1 415 555 0134")
    return redactor


def _calls(text: str) -> int:
    """Python and C calls that redacting the text takes."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        _redactor().redact({"text": text})
    finally:
        sys.setprofile(before)
    return count


def _grows_linearly(shorter: str, longer: str) -> bool:
    _calls(shorter)
    return _calls(longer) <= _calls(shorter) * 2 * _SLACK + 500


@pytest.mark.parametrize("piece", _REPEATED, ids=ascii)
def test_repeating_a_piece_twice_as_often_takes_twice_the_work(piece: str) -> None:
    times = _SIZE // len(piece)
    assert _grows_linearly(piece * times, piece * times * 2)


@pytest.mark.parametrize(
    "form", ["u{0}.x{0}@example{0}.com ", "Mr. Q{0:b}x said. ".replace("0:b", "0"), "+4420794{0:05d} ", "John Q{0} "]
)
def test_many_different_values_take_work_in_proportion(form: str) -> None:
    one, two = ("".join(form.format(number) for number in range(count)) for count in (400, 800))
    assert _grows_linearly(one, two)


def test_names_made_of_few_words_take_work_in_proportion() -> None:
    words = random.Random(5).choices(["Smith", "Garcia", "Johnson", "Rossi", "Novak", "Martin", "Dubois"], k=6_000)
    assert _grows_linearly(" ".join(words[:3_000]), " ".join(words))


@given(st.lists(st.text("ab1", min_size=1, max_size=6), min_size=1, max_size=150, unique=True), st.text("ab1 "))
def test_many_values_are_found_wherever_they_stand(values: list[str], text: str) -> None:
    expected = sorted((at, value) for value in values for at in range(len(text)) if text.startswith(value, at))
    assert sorted(MultiSearch(values).places(text)) == expected
    times = dict.fromkeys(values, 1)
    found = [place for places in MultiSearch(values).oftener([text, text], times) for place in places]
    assert sorted(found) == sorted(expected * 2)
