"""What a record that is sent again carries: who it is, what became of it so far, where it first stood."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from pipeline.errors import RedactionError
from pipeline.stream.record import Record
from pipeline.vault import Keyring, associated_data

EVENT_ID: Final = "event-id"
"""The input record's identity, kept when it is sent again."""
REPLAYS: Final = "replay-history"
"""On a record sent again: JSON of the replays so far and of when it first died."""
OVERRIDE: Final = "replay-override"
"""On a record sent again: with what it is to be enriched, sealed; see `overrides`."""
RETURN: Final = "replay-return"
"""On a record sent again: where it first stood and how often it was sent again by itself, sealed."""
FIRST_OFFSET: Final = "first-offset"
"""On the output of a record sent again: the input offset at which it first stood."""
NEXT_TRY: Final = "next-try"
"""On a dead letter that is sent again by itself: when, in ISO 8601. All others need not be decoded for that."""
OURS: Final = frozenset({REPLAYS, OVERRIDE, RETURN, FIRST_OFFSET, NEXT_TRY})
"""Headers that no publisher's travel under."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class History:
    """What whoever sent a record again wrote on it; nothing of it is proven."""

    received_at: datetime | None
    first_failed_at: datetime | None
    replays: Sequence[Mapping[str, object]]


_NONE: Final = History(None, None, ())


def history_of(record: Record) -> History:
    """What stands on the record; what nobody who sends again could have written counts as none."""
    data = _header(record, REPLAYS)
    if data is None:
        return _NONE
    try:
        found = json.loads(data)
        replays = [
            {
                "replay_id": str(item["replay_id"]),
                "at": _aware(item["at"]),
                "by": str(item["by"]),
                "why": str(item.get("why", "")),
            }
            for item in found["replays"]
        ]
        return History(_aware(found["received_at"]), _aware(found["first_failed_at"]), replays)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _NONE


@dataclass(frozen=True, slots=True)
class Return:
    """That a record stands in its topic once more. `tries` counts those by itself since a person sent it; `died_at` is
    when it died last."""

    first_offset: int
    tries: int
    died_at: datetime


def return_of(record: Record, event_id: str, keyring: Keyring) -> Return | None:
    """What was sealed for this event and replay; None for a record that stands there for the first time."""
    sealed = _header(record, RETURN)
    if sealed is None:
        return None
    try:
        replay_id = str(history_of(record).replays[-1]["replay_id"])
        first_offset, tries, died_ms = json.loads(keyring.open(sealed, _bound(event_id, replay_id)))
        return Return(int(first_offset), int(tries), _EPOCH + timedelta(milliseconds=int(died_ms)))
    except (RedactionError, ValueError, TypeError, IndexError, OverflowError):
        return None


Headers = list[tuple[str, bytes | None]]


def sent_again(letter: Mapping[str, object], replay: Mapping[str, object], tries: int, keyring: Keyring) -> Headers:
    """The headers of a dead letter's record when it is sent again: the original's, its identity, and its history with
    this `replay` (replay_id, at, by, why) added."""
    kept = cast(Sequence[Mapping[str, object]], letter["headers"])
    headers = [
        (str(item["name"]), cast(bytes | None, item["value"]))
        for item in kept
        if item["name"] != EVENT_ID and item["name"] not in OURS
    ]
    event_id = str(letter["event_id"])
    replays = [*cast(Sequence[Mapping[str, object]], letter["replays"]), replay]
    history = {
        "received_at": cast(datetime, letter["received_at"]).isoformat(),
        "first_failed_at": cast(datetime, letter["first_failed_at"]).isoformat(),
        "replays": [{**item, "at": cast(datetime, item["at"]).isoformat()} for item in replays],
    }
    source = cast(Mapping[str, object], letter["source"])
    first = source["offset"] if letter["first_offset"] is None else letter["first_offset"]
    died_ms = (cast(datetime, letter["failed_at"]) - _EPOCH) // timedelta(milliseconds=1)
    stood = json.dumps([first, tries, died_ms]).encode()
    return [
        *headers,
        (EVENT_ID, event_id.encode()),
        (REPLAYS, json.dumps(history).encode()),
        (RETURN, keyring.seal(stood, _bound(event_id, str(replay["replay_id"])))),
    ]


def _bound(event_id: str, replay_id: str) -> bytes:
    return associated_data("return", 0, 0, f"{event_id} {replay_id}")


def _header(record: Record, wanted: str) -> bytes | None:
    return next((value for name, value in record.headers if name == wanted), None)


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at
