"""A record's form: what is written in it comes back, and what cannot be read is said at its field."""

from __future__ import annotations

import json

import pytest
from pipeline.console.fields import Kind, elsewhere, entries, rewritten, value
from pipeline.errors import NotTakenError
from tests.unit.deadletters.letters import tickets

SCHEMA = tickets().input_schema.schema
TICKET = {
    "ticket_id": "T-1",
    "tenant_id": "acme",
    "body": 'Line one\nline <two> & "three"',
    "subject": "",
    "channel": "web",
    "language": "",
    "customer": {"customer_id": "C-1", "name": "Jo Doe", "email": "", "phone": ""},
    "created_at": None,
    "attributes": {"shop": "7"},
}


@pytest.mark.parametrize("depth", [60, 700, 100_000])
def test_what_is_nested_without_end_cannot_be_read_and_is_said_so(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    with pytest.raises(NotTakenError) as caught:
        value(SCHEMA, {**{one.name: one.written for one in entries(SCHEMA, json.dumps(TICKET), {})}, "customer": deep})
    assert caught.value.fields == {"customer": "write it as JSON, like 12, true, null or {}"}
    assert {one.written for one in entries(SCHEMA, f'{{"customer": {deep}}}', {})} == {""}


def test_a_record_that_nobody_changed_stays_what_it_was() -> None:
    form = entries(SCHEMA, json.dumps(TICKET), {})
    assert json.loads(value(SCHEMA, {one.name: one.written for one in form})) == TICKET


def test_what_is_no_record_gives_an_empty_form() -> None:
    form = entries(SCHEMA, "not json", {})
    assert [one.written for one in form] == [""] * len(form)
    assert {one.name for one in form if one.required} == {"ticket_id", "tenant_id", "body"}
    assert json.loads(value(SCHEMA, {"ticket_id": "T-1"}))["body"] == ""


def test_texts_get_room_and_the_rest_is_json() -> None:
    kinds = {one.name: one.kind for one in entries(SCHEMA, json.dumps(TICKET), {})}
    assert (kinds["ticket_id"], kinds["body"], kinds["customer"]) == (Kind.TEXT, Kind.LONG_TEXT, Kind.JSON)


def test_a_problem_stands_at_its_field_or_is_told_apart() -> None:
    problems = {"customer.email": "too long", "body": "is missing", "colour": "there is no such field"}
    found = {one.name: one.problem for one in rewritten(SCHEMA, {"body": ""}, problems)}
    assert (found["body"], found["customer"]) == ("is missing", "customer.email: too long")
    assert elsewhere(SCHEMA, problems) == ["colour: there is no such field"]


def test_what_is_not_json_is_named() -> None:
    with pytest.raises(NotTakenError) as caught:
        value(SCHEMA, {"customer": "{Jo Doe}", "created_at": "yesterday"})
    assert set(caught.value.fields) == {"customer", "created_at"}
    assert "Jo Doe" not in str(caught.value.fields)
