"""What a language model may say."""

import pytest
from pipeline.contract import Schema, answer_model, problems, provider_schema
from pydantic import ValidationError

ANSWER: Schema = {
    "type": "record",
    "name": "Answer",
    "fields": [
        {"name": "category", "type": "string", "doc": "Which.", "answer": "model", "labels": True},
        {"name": "others", "type": {"type": "array", "items": "string"}, "answer": "model", "labels": True},
        {"name": "summary", "type": "string", "answer": "model", "minLength": 1, "maxLength": 5},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "answer": "model"},
        {"name": "count", "type": "int", "answer": "model", "minimum": 0, "maximum": 9},
        {"name": "team", "type": "string", "answer": "code"},
    ],
}
SAID = {"category": "A", "others": ["B"], "summary": "short", "day": "2026-03-05", "count": 3}
LABELS = ("A", "B")


def wrong(**changes: object) -> list[str]:
    """What is said about an answer with these changes."""
    with pytest.raises(ValidationError) as caught:
        answer_model(ANSWER, LABELS).model_validate(SAID | changes)
    return problems(caught.value)


def test_only_the_models_fields_are_asked_for() -> None:
    assert answer_model(ANSWER, LABELS).model_validate(SAID).model_dump().keys() == SAID.keys()
    assert set(provider_schema(ANSWER, LABELS)["required"]) == SAID.keys()  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"category": "C"}, "category"),
        ({"others": ["A", "C"]}, "others.1"),
        ({"summary": "far too long"}, "summary"),
        ({"summary": "  "}, "summary"),
        ({"day": "5 March"}, "day"),
        ({"count": 10}, "count"),
        ({"team": "mine"}, "team"),
    ],
)
def test_what_breaks_a_bound_is_named(changes: dict[str, object], where: str) -> None:
    assert [line.split(":")[0] for line in wrong(**changes)] == [where]


def test_nothing_may_be_left_out() -> None:
    with pytest.raises(ValidationError):
        answer_model(ANSWER, LABELS).model_validate({name: value for name, value in SAID.items() if name != "day"})
    assert answer_model(ANSWER, LABELS).model_validate(SAID | {"day": None}).model_dump()["day"] is None


def test_labels_reach_the_provider_wherever_they_stand() -> None:
    properties = provider_schema(ANSWER, LABELS)["properties"]
    assert isinstance(properties, dict)
    assert properties["category"] == {"type": "string", "enum": ["A", "B"], "description": "Which."}
    assert properties["others"]["items"] == {"type": "string", "enum": ["A", "B"]}
    assert properties["day"]["anyOf"] == [{"type": "string", "format": "date"}, {"type": "null"}]
    assert properties["count"]["description"] == "At least 0. At most 9."
