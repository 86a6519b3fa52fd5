"""Changes say what they change, take what fits the field, and run nothing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.deadletters.changes import Tree, mapping, setting
from pipeline.errors import UsageError
from tests.unit.deadletters.letters import tickets

SCHEMA = tickets().input_schema.schema


def _mapped(text: str, **record: object) -> object:
    tree: Tree = {"ticket_id": "T-1", "customer": {"name": "jo"}, **record}  # type: ignore[dict-item]
    mapping(text, SCHEMA).apply(tree)
    return tree


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("upper(subject)", "LAMP, BROKE"),
        ("lower('ABC')", "abc"),
        ("trim(' a ')", "a"),
        ('replace(subject, "Lamp", "Light")', "Light, broke"),
        ("concat(ticket_id, ': ', subject)", "T-1: Lamp, broke"),
        ("cut(subject, 4)", "Lamp"),
        ("default(channel, 'web')", "web"),
        ("default(subject, 'none')", "Lamp, broke"),
        ("default(upper(channel), lower('X'))", "x"),
        ("upper(customer.name)", "JO"),
        (r"'it\'s'", "it's"),
        ("null", None),
        ("12.5", 12.5),
    ],
)
def test_an_expression_makes_the_value(expression: str, value: object) -> None:
    tree = _mapped(f"subject={expression}", subject="Lamp, broke", channel=None)
    assert isinstance(tree, dict)
    assert tree["subject"] == value


def test_a_field_inside_a_record_is_reached() -> None:
    tree = _mapped("customer.name=upper(customer.name)")
    assert isinstance(tree, dict)
    assert tree["customer"] == {"name": "JO"}


@pytest.mark.parametrize(
    "text",
    [
        "subject",
        "=upper(subject)",
        "nobody=1",
        "subject=nobody",
        "subject=upper(",
        "subject=upper(subject",
        "subject=upper(subject))",
        "subject=upper()",
        "subject=upper(subject, subject)",
        "subject=exec(subject)",
        "subject=subject.__class__",
        "subject=subject + 'x'",
        "subject=[1]",
        "subject=" + "upper(" * 50 + "subject" + ")" * 50,
    ],
)
def test_what_is_no_change_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        mapping(text, SCHEMA)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("expression", ["upper(12)", "cut(subject, 'x')", "cut(subject, -1)", "concat(subject, null)"])
def test_what_does_not_fit_the_value_is_refused(expression: str) -> None:
    with pytest.raises(UsageError):
        _mapped(f"subject={expression}", subject="x")


@given(st.text(max_size=60))
def test_no_text_does_anything_but_change_or_be_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        mapping(f"subject={text}", SCHEMA).apply({"subject": "x", "ticket_id": "T-1"})


def test_a_set_value_is_text_where_the_field_is_and_json_elsewhere() -> None:
    tree: Tree = {}
    setting("subject=12", SCHEMA).apply(tree)
    assert tree == {"subject": "12"}
    with pytest.raises(UsageError, match="is no text"):
        setting("customer=jo", SCHEMA)
