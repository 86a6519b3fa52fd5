"""A dead letter tells enough to be understood and sent again, and nothing personal to who only may read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from pipeline.deadletters.envelope import PREVIEW_CHARACTERS, fingerprint, sealed_to
from pipeline.deadletters.history import REPLAYS
from pipeline.errors import AnswerError, ContractError, DecodeError, RedactionError
from pipeline.jsontext import to_json
from tests.unit.deadletters.letters import KEYRING, NOW, RECORD, death, letter, tickets

SECRET = "jo.doe@example.com"


def _raised(text: str) -> Exception:
    try:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise KeyError(f"inner {text}") from error
    except KeyError as error:
        return error


@pytest.mark.parametrize("error", [_raised(SECRET), DecodeError("not JSON (at byte 3)"), AnswerError("no answer")])
def test_nothing_that_can_be_read_holds_the_records_text(error: Exception) -> None:
    told = dict(letter(error).envelope)
    sealed = cast(bytes, told.pop("original"))
    assert SECRET.encode() not in sealed
    assert SECRET not in to_json(told).decode()


def test_an_unexpected_error_is_known_by_its_place_not_by_its_words() -> None:
    told = letter(_raised(SECRET)).envelope
    assert (told["stage"], told["cause"]) == ("process", "unexpected")
    assert str(told["message"]).startswith("KeyError in _raised, line ")
    assert [line for line in str(told["traceback"]).splitlines() if not line.startswith(" ")] == [
        "KeyError",
        "ValueError",
    ]


def test_the_original_opens_with_the_key_where_it_belongs_and_nowhere_else() -> None:
    told = letter().envelope
    assert KEYRING.open(cast(bytes, told["original"]), sealed_to(told)) == RECORD.value
    with pytest.raises(RedactionError):
        KEYRING.open(cast(bytes, told["original"]), sealed_to({**told, "event_id": "E-2"}))


def test_a_null_and_an_empty_value_stay_apart() -> None:
    null, empty = (
        letter(record=replace(RECORD, value=None)).envelope,
        letter(record=replace(RECORD, value=b"")).envelope,
    )
    assert (null["original"], null["original_size"], null["original_sha256"]) == (None, 0, "")
    assert KEYRING.open(cast(bytes, empty["original"]), sealed_to(empty)) == b""


def test_an_original_too_large_to_keep_is_still_told_of() -> None:
    told = letter(whole=False, preview="long text").envelope
    assert told["original"] is None
    assert told["original_size"] == len(RECORD.value or b"")
    assert told["preview"] == ""


def test_the_preview_is_cut() -> None:
    assert len(str(letter(preview="x" * 5000).envelope["preview"])) == PREVIEW_CHARACTERS


def test_the_fingerprint_is_of_the_cause_and_shape_and_not_of_the_record() -> None:
    other = replace(RECORD, key=b"T-2", value=b"other", offset=99)
    same = [
        (ContractError("body is missing"), ContractError("body is missing")),
        (_raised("one"), _raised("two")),
        (DecodeError("not JSON (at byte 3)"), DecodeError("not JSON (at byte 8)")),
    ]
    for first, second in same:
        assert fingerprint(death(first), tickets()) == fingerprint(death(second, other), tickets())
    kinds = [ContractError("body is missing"), ContractError("subject is too long"), DecodeError("no"), _raised("one")]
    assert len({fingerprint(death(error), tickets()) for error in kinds}) == len(kinds)


def _replayed(history: bytes) -> dict[str, object]:
    headers = (*RECORD.headers, (REPLAYS, history))
    return dict(letter(record=replace(RECORD, headers=headers), now=NOW + timedelta(days=1)).envelope)


def test_a_record_sent_again_keeps_its_history() -> None:
    replay = {"replay_id": "R-1", "at": NOW.isoformat(), "by": "kim", "why": "prompt mended"}
    history = {"received_at": NOW.isoformat(), "first_failed_at": NOW.isoformat(), "replays": [replay]}
    told = _replayed(json.dumps(history).encode())
    assert told["first_failed_at"] == NOW
    assert told["failed_at"] == NOW + timedelta(days=1)
    assert told["replays"] == [{**replay, "at": NOW}]
    assert REPLAYS not in [header["name"] for header in cast(list[dict[str, object]], told["headers"])]


@pytest.mark.parametrize(
    "history", [b"", b"nonsense", b"[]", b'{"replays": 5}', b'{"replays": [{}]}', b"\xff", b'{"replays": [], "x": 1}']
)
def test_a_history_that_no_replayer_wrote_counts_as_none(history: bytes) -> None:
    told = _replayed(history)
    assert told["replays"] == []
    assert told["first_failed_at"] == told["failed_at"]


def test_the_trace_is_found_again() -> None:
    assert letter().envelope["trace_id"] == "0123456789abcdef0123456789abcdef"
    assert letter(record=replace(RECORD, headers=(("traceparent", b"\xff"),))).envelope["trace_id"] == ""
