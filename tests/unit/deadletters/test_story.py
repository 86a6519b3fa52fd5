"""What an operator reads about a dead letter: all of it but the original."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.deadletters import story
from pipeline.deadletters.index import Coordinates, Edit, Operation
from pipeline.deadletters.index.entry import readable
from pipeline.deadletters.remedies import remedy
from pipeline.errors import Cause
from pipeline.jsontext import to_json
from tests.unit.deadletters.letters import DEAD, NOW, RECORD, entry, letter
from tests.unit.deadletters.letters import story as told_of


def test_the_story_names_what_where_when_and_how_to_find_the_record() -> None:
    told = dict(story.lines(told_of(letter(entity_id="T-1", tenant_id="acme", preview="write to [EMAIL_1]"))))
    assert told["id"] == "support.tickets.v1.dead-letters/2/5"
    assert told["what happened"] == "undecodable at stage decode: not JSON (at byte 3)"
    assert told["when"] == "2026-03-05 12:00:00 UTC"
    assert told["record"] == "support.tickets.v1/3/17 of 2026-03-05 12:00:00 UTC"
    assert told["original"] == "39 bytes, sealed"
    assert told["preview"] == "write to [EMAIL_1]"
    assert "publisher" in told["what mends it"]


def test_what_people_did_and_what_became_of_the_event_is_in_the_story() -> None:
    at = Coordinates(DEAD, 2, 5)
    told = dict(
        story.lines(
            told_of(
                letter(),
                edits=[Edit(at, "E-1", NOW, "kim", "typo", ("subject",), 0, 0)],
                operations=[Operation(NOW, "kim", "reveal", "done", "to mend it", at)],
                later=[entry(9)],
            )
        )
    )
    assert told["mended"] == "2026-03-05 12:00:00 UTC by kim: subject, because: typo"
    assert told["done"] == "2026-03-05 12:00:00 UTC reveal by kim: done, because: to mend it"
    assert told["same event"] == f"{DEAD}/2/9: open, 2026-03-05 12:00:00 UTC"


def test_json_has_everything_but_the_original() -> None:
    told = story.as_json(told_of(letter()))
    assert "original" not in told
    assert told["original_kept"] is True
    assert told["key"] == "T-1"
    assert b"jo.doe" not in to_json(told)


def test_keys_that_are_no_text_are_shown_as_bytes() -> None:
    foreign = letter(record=replace(RECORD, key=b"\x00\x01"))
    assert story.as_json(told_of(foreign))["key"] == "0x0001"
    assert entry(of=foreign).entity == "0x0001"
    assert entry(of=letter(entity_id="T-9")).entity == "T-9"
    assert readable(None) is None


def test_an_original_that_was_not_kept_is_no_secret() -> None:
    lost = letter(whole=False)
    assert not entry(of=lost).kept
    assert "too large to keep here" in dict(story.lines(told_of(lost)))["original"]
    null = letter(record=replace(RECORD, value=None))
    assert entry(of=null).kept


def test_the_first_time_is_told_when_it_died_before() -> None:
    again = letter()
    again = replace(again, envelope={**again.envelope, "failed_at": NOW + timedelta(hours=1)})
    assert dict(story.lines(told_of(again)))["first time"] == "2026-03-05 12:00:00 UTC"
    assert "first time" not in dict(story.lines(told_of(letter())))


def test_every_cause_has_what_would_mend_it() -> None:
    assert [cause for cause in Cause if not remedy(cause)] == []
    assert remedy("of_a_later_version") == ""
