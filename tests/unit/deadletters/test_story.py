"""What an operator reads about a dead letter: all of it but the original."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.deadletters import story
from pipeline.jsontext import to_json
from tests.unit.deadletters.letters import NOW, RECORD, letter


def test_the_story_names_what_where_when_and_how_to_find_the_record() -> None:
    told = dict(story.lines(letter(entity_id="T-1", tenant_id="acme", preview="write to [EMAIL_1]")))
    assert told["id"] == "support.tickets.v1.dead-letters/2/5"
    assert told["what happened"] == "undecodable at stage decode: not JSON (at byte 3)"
    assert told["when"] == "2026-03-05 12:00:00 UTC"
    assert told["record"] == "support.tickets.v1/3/17 of 2026-03-05 12:00:00 UTC"
    assert told["original"] == "39 bytes, sealed"
    assert told["preview"] == "write to [EMAIL_1]"


def test_json_has_everything_but_the_original() -> None:
    told = story.as_json(letter())
    assert "original" not in told
    assert told["original_kept"] is True
    assert told["key"] == "T-1"
    assert b"jo.doe" not in to_json(told)


def test_keys_that_are_no_text_are_shown_as_bytes() -> None:
    foreign = letter(record=replace(RECORD, key=b"\x00\x01"))
    assert story.as_json(foreign)["key"] == "0x0001"
    assert story.concerns(foreign) == "0x0001"
    assert story.concerns(letter(entity_id="T-9")) == "T-9"
    assert story.concerns(letter(record=replace(RECORD, key=None))) == ""


def test_an_original_that_was_not_kept_is_no_secret() -> None:
    lost = letter(whole=False)
    assert not story.kept(lost)
    assert "too large to keep here" in dict(story.lines(lost))["original"]
    assert story.kept(letter(record=replace(RECORD, value=None)))


def test_the_first_time_is_told_when_it_died_before() -> None:
    again = letter()
    again = replace(again, envelope={**again.envelope, "failed_at": NOW + timedelta(hours=1)})
    assert dict(story.lines(again))["first time"] == "2026-03-05 12:00:00 UTC"
    assert "first time" not in dict(story.lines(letter()))
