"""Filters choose what an operator meant; a note about a dead letter holds for that one only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pipeline.deadletters.reading import Filter, Statuses
from pipeline.errors import Cause, ContractError, DecodeError
from tests.unit.deadletters.letters import NOW, letter


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Filter(), True),
        (Filter(ids=["support.tickets.v1.dead-letters/2/5"]), True),
        (Filter(ids=["E-1"]), True),
        (Filter(ids=["E-2"]), False),
        (Filter(causes=["leak", "undecodable"]), True),
        (Filter(causes=["leak"]), False),
        (Filter(stages=["decode"]), True),
        (Filter(stages=["validate"]), False),
        (Filter(tenants=["acme"]), True),
        (Filter(tenants=["umbrella"]), False),
        (Filter(statuses=["open"]), True),
        (Filter(statuses=["replayed"]), False),
        (Filter(since=NOW), True),
        (Filter(since=NOW + timedelta(seconds=1)), False),
        (Filter(until=NOW), False),
        (Filter(until=NOW + timedelta(seconds=1)), True),
        (Filter(causes=["undecodable"], tenants=["umbrella"]), False),
        (Filter(causes=["undecodable"], tenants=["acme"], since=NOW), True),
    ],
)
def test_every_kind_of_condition_must_hold_and_any_value_of_a_kind_will_do(wanted: Filter, chosen: bool) -> None:
    assert wanted.matches(letter(tenant_id="acme")) is chosen


def test_stage_and_cause_are_the_errors_own() -> None:
    assert Filter(causes=["contract_broken"], stages=["contract"]).matches(letter(ContractError("body is missing")))
    assert Filter(causes=["null_value"]).matches(letter(DecodeError("null", cause=Cause.NULL_VALUE)))


def test_a_note_says_what_was_done_about_its_dead_letter_and_the_newest_stands() -> None:
    statuses, one = Statuses(), letter()
    assert statuses.of(one) == "open"
    statuses.note(one.id, {"event_id": "E-1", "status": "RESOLVED"})
    statuses.note(one.id, {"event_id": "E-1", "status": "REPLAYED"})
    assert statuses.of(one) == "replayed"
    assert statuses.of(letter(offset=6)) == "open"


def test_a_note_about_another_event_does_not_hide_a_dead_letter() -> None:
    """After a topic was made anew, other dead letters stand at the same offsets."""
    statuses = Statuses()
    statuses.note(letter().id, {"event_id": "E-0", "status": "REPLAYED"})
    assert statuses.of(letter()) == "open"
