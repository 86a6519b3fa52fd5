"""What a model wrote becomes an object where there is one reading, and a clear problem where there is not."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm import InvalidAnswerError
from pipeline.llm.answers import MAX_CHARACTERS, MAX_PROBLEMS, correction, decode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=4)


@given(OBJECTS)
def test_plain_fenced_and_introduced_answers_are_read_alike(answer: dict[str, object]) -> None:
    text = orjson.dumps(answer).decode()
    assert decode(text) == answer
    assert decode(f"\n  {text}\n") == answer
    if "```" not in text:
        assert decode(f"```json\n{text}\n```") == answer
        assert decode(f"Here is the answer:\n```\n{text}\n```\nThat is all.") == answer
        assert decode(f"Sure! Here it is: {text} I hope this helps.") == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "I cannot do that.",
        '{"a": 1',
        '{"a": 1} {"a": 2}',
        '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```',
        'First {"a": 1}, then {"a": 2}.',
        "[1, 2]",
        '"text"',
        "null",
        "{'a': 1}",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
    ],
)
def test_what_has_no_single_reading_is_not_guessed(text: str) -> None:
    with pytest.raises(InvalidAnswerError):
        decode(text)


def test_an_endless_answer_is_not_parsed() -> None:
    with pytest.raises(InvalidAnswerError, match="longer than"):
        decode('{"a": "' + "x" * MAX_CHARACTERS + '"}')


def test_an_answer_nested_beyond_reason_is_a_problem_and_no_crash() -> None:
    for depth in (500, 990, 1020, 2000, 9000):
        with suppress(InvalidAnswerError):
            decode('{"a":' * depth + "1" + "}" * depth)


@given(st.text())
def test_no_answer_breaks_the_gateway(text: str) -> None:
    try:
        assert isinstance(decode(text), dict)
    except InvalidAnswerError as error:
        assert all(len(problem) < 100 for problem in error.problems)


def test_a_correction_stays_short_however_much_is_wrong() -> None:
    told = correction([f"field_{number}: is missing" for number in range(500)])
    assert told.count("is missing") == MAX_PROBLEMS
