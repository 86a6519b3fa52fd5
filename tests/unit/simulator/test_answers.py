"""Answers keep their schema, whatever it is, and fit the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.simulator.answers import LABEL
from pipeline.simulator.distortion import distorted
from pipeline.simulator.draws import draw
from pipeline.simulator.facts import Facts
from pipeline.simulator.faults import Fault
from pipeline.simulator.schema import answerer

_TICKET = (
    "Hello, I am [PERSON_1]. On March 3, 2026 my card was charged twice for $49.90. This is unacceptable, the transfer "
    "never came. I was hurt at Oak Street and my neck is in pain."
)

Check = Callable[[object], bool]
Property = tuple[Mapping[str, object], Check]

names = st.sampled_from(
    ["summary", "amount_quote", "incident_date", "parties", "place", "confidence", "count", "remark", "policy_number"]
)


def _answer(schema: Mapping[str, object], text: str = _TICKET, prompt: str = "", nth: int = 0) -> dict[str, object]:
    return answerer(orjson.dumps(schema)).make(Facts(text, prompt, draw(1, text.encode(), nth)), 0)


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _string(bounds: tuple[int, int]) -> Property:
    low, high = min(bounds), max(bounds)
    return {
        "type": "string",
        "minLength": low,
        "maxLength": high,
    }, lambda v: isinstance(v, str) and low <= len(v) <= high


def _integer(bounds: tuple[int, int]) -> Property:
    low, high = min(bounds), max(bounds)
    return {"type": "integer", "minimum": low, "maximum": high}, lambda v: type(v) is int and low <= v <= high


def _number(bounds: tuple[int, int]) -> Property:
    low, high = min(bounds) / 10, max(bounds) / 10
    return (
        {"type": "number", "minimum": low, "maximum": high},
        lambda v: type(v) in (int, float) and low <= v <= high,
    )


def _enum(values: list[str]) -> Property:
    return {"type": "string", "enum": values}, lambda v: v in values


def _nullable(inner: Property) -> Property:
    return {"anyOf": [inner[0], {"type": "null"}]}, lambda v: v is None or inner[1](v)


def _array(made: tuple[Property, int, int]) -> Property:
    (schema, check), fewest, more = made
    return {
        "type": "array",
        "items": schema,
        "minItems": fewest,
        "maxItems": fewest + more,
    }, lambda v: isinstance(v, list) and fewest <= len(v) <= fewest + more and all(map(check, v))


def _record(properties: Mapping[str, Property]) -> Property:
    def check(value: object) -> bool:
        return (
            isinstance(value, dict)
            and value.keys() == properties.keys()
            and all(properties[name][1](inner) for name, inner in value.items())
        )

    return _object(**{name: schema for name, (schema, _) in properties.items()}), check


bounds = st.tuples(st.integers(0, 300), st.integers(0, 300))
leaves: st.SearchStrategy[Property] = st.one_of(
    bounds.map(_string),
    bounds.map(_integer),
    bounds.map(_number),
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True).map(_enum),
    st.just(({"type": "boolean"}, lambda v: isinstance(v, bool))),
    st.just(({"const": "x"}, lambda v: v == "x")),
    st.just(({"type": "string", "format": "date"}, lambda v: bool(re.fullmatch(r"\d{4}-\d\d-\d\d", str(v))))),
)
properties: st.SearchStrategy[Property] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(_nullable),
        st.tuples(inner, st.integers(0, 2), st.integers(0, 3)).map(_array),
        st.dictionaries(names, inner, max_size=4).map(_record),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, properties, min_size=1, max_size=6), st.one_of(st.just(_TICKET), st.text(max_size=200)))
def test_every_answer_keeps_its_schema(made: dict[str, Property], text: str) -> None:
    schema, check = _record(made)
    answer = orjson.loads(orjson.dumps(_answer(schema, text)))
    assert check(answer), answer


def test_labels_are_chosen_by_what_the_prompt_says_about_them() -> None:
    schema = _object(category={"type": "string", "enum": ["A1", "A2", "OTHER"]})
    prompt = "- A1: parcel late or lost\n- A2: card charged twice, transfer missing\n- OTHER: none of the others"
    assert _answer(schema, prompt=prompt) == {"category": "A2"}
    assert _answer(schema, "Where is my parcel? It is late.", prompt) == {"category": "A1"}
    assert _answer(schema, "zzz", prompt) == {"category": "OTHER"}


def test_labels_are_chosen_by_what_the_schema_says_about_them() -> None:
    described = "URGENT: safety or fraud; HIGH: money wrongly taken; LOW: a question or praise."
    schema = _object(priority={"type": "string", "enum": ["LOW", "HIGH", "URGENT"], "description": described})
    assert _answer(schema, "This is fraud!") == {"priority": "URGENT"}
    assert _answer(schema, "Just praise for you.") == {"priority": "LOW"}


def test_answers_take_what_the_text_names_and_label_the_rest() -> None:
    nothing = {"type": "null"}
    schema = _object(
        summary={"type": "string", "description": "At most 60 characters."},
        remark={"type": "string"},
        incident_date={"anyOf": [{"type": "string", "format": "date"}, nothing]},
        amount_quote={"type": ["string", "null"]},
        place={"anyOf": [{"type": "string"}, nothing]},
        policy_number={"anyOf": [{"type": "string"}, nothing]},
        parties={"type": "array", "items": {"$ref": "#/$defs/party"}},
        injuries={"type": "array", "items": {"type": "string"}},
        sentiment={"type": "string", "enum": ["NEGATIVE", "NEUTRAL", "POSITIVE"]},
        language={"type": "string", "pattern": "^[a-z]{2}$"},
        confidence={"type": "number", "minimum": 0, "maximum": 1},
    ) | {"$defs": {"party": _object(name={"type": "string"}, role={"enum": ["CLAIMANT", "OTHER"]})}}
    answer = _answer(schema)
    assert answer["summary"] == "(simulated) Hello, I am [PERSON_1]."
    assert str(answer["remark"]).startswith(LABEL)
    assert answer["incident_date"] == "2026-03-03"
    assert answer["amount_quote"] == "$49.90"
    assert answer["place"] == "Oak Street"
    assert answer["policy_number"] is None
    assert answer["parties"] == [{"name": "[PERSON_1]", "role": "OTHER"}]
    assert answer["injuries"] == [LABEL + "I was hurt at Oak Street and my neck is in pain."]
    assert answer["sentiment"] == "NEGATIVE"
    assert answer["language"] == "en"
    assert 0.55 <= float(str(answer["confidence"])) <= 0.98


def test_nothing_is_made_up_of_an_empty_text() -> None:
    nothing = {"type": "null"}
    schema = _object(
        summary={"type": "string"},
        amount={"anyOf": [{"type": "string"}, nothing]},
        parties={"type": "array", "items": {"type": "string"}},
    )
    assert _answer(schema, "") == {"summary": "(simulated) no text", "amount": None, "parties": []}


@given(st.integers(10, 200), st.text(st.sampled_from("ab ."), max_size=100))
def test_no_placeholder_is_cut_in_two(longest: int, filling: str) -> None:
    text = f"{filling} [PERSON_1] and [ADDRESS_12] {filling} [PERSON_2]"
    answer = _answer(_object(summary={"type": "string", "maxLength": longest}), text)
    assert re.fullmatch(r"[^\[]*(\[[A-Z]+_\d+\][^\[]*)*", str(answer["summary"]))


def test_the_same_text_is_answered_alike_but_for_its_draws() -> None:
    schema = _object(confidence={"type": "number"}, summary={"type": "string"})
    first, again, second = _answer(schema), _answer(schema), _answer(schema, nth=1)
    assert first == again
    assert first["summary"] == second["summary"]
    assert first["confidence"] != second["confidence"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        _object(a={"$ref": "#/$defs/nowhere"}),
        _object(a={"type": "tuple"}),
        _object(a={}),
        _object(a={"enum": []}),
    ],
)
def test_a_schema_nobody_can_answer_is_refused(schema: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        answerer(orjson.dumps(schema))


def test_each_fault_spoils_the_answer_in_its_own_way() -> None:
    schema = _object(
        category={"type": "string", "enum": ["A", "B"]},
        summary={"type": "string", "maxLength": 50},
        confidence={"type": "number"},
    )
    maker = answerer(orjson.dumps(schema))
    answer = _answer(schema)
    sound = orjson.dumps(answer).decode()
    for u in (0.1, 0.3, 0.6, 0.9):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(distorted(Fault.INVALID_JSON, answer, maker, u))
        broken = orjson.loads(distorted(Fault.SCHEMA_VIOLATION, answer, maker, u))
        assert (
            broken.keys() != answer.keys()
            or broken["category"] not in ("A", "B")
            or not isinstance(broken["confidence"], float)
        )
        leaking = orjson.loads(distorted(Fault.LEAK, answer, maker, u))
        assert re.search(r"\d{2,}", leaking["summary"])
        assert len(leaking["summary"]) <= 50
    assert "[PERSON_97]" in distorted(Fault.WRONG_PLACEHOLDER, answer, maker, 0.5)
    assert distorted(Fault.FENCED_JSON, answer, maker, 0.5) == f"```json\n{sound}\n```"
    assert sound in distorted(Fault.CHATTY_JSON, answer, maker, 0.5)
    assert distorted(Fault.EMPTY, answer, maker, 0.5) == ""
    assert distorted(Fault.TRUNCATION, answer, maker, 0.5) == sound
