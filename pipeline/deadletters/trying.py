"""Sends dead letters again when their second chance is due: a processor for the engine, over a dead-letter topic.

A dead letter waits here as any record does that takes long: fetched and not committed. Its record and the note that it
was sent stand in the transaction that commits it, so whoever is killed meanwhile leaves all of it or nothing, and a
dead letter has one worker at a time, whose partition it is in.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from pipeline.catalogue import Enrichment
from pipeline.deadletters.history import EVENT_ID, NEXT_TRY, sent_again
from pipeline.deadletters.index import Coordinates
from pipeline.deadletters.ledgers import IMPORTED_AS, STATUS_TOPIC
from pipeline.deadletters.noted import Noted
from pipeline.deadletters.reading import DeadLetter
from pipeline.deadletters.second_chance import Waiting
from pipeline.deadletters.values import open_original
from pipeline.errors import Cause, RecordError, RedactionError
from pipeline.serde import Decoder, ValueCodec
from pipeline.stream.record import Output, Record
from pipeline.vault import Keyring

_log = logging.getLogger(__name__)
BY: Final = "second chance"
"""Who sent a record again that nobody did."""
_TRIES: Final = uuid.uuid5(uuid.NAMESPACE_URL, "enrichment-pipeline/second-chance")
_LONGEST_NAP: Final = timedelta(seconds=30)
"""After it the clock is asked again: it may have been set, or the machine have slept."""


@dataclass(frozen=True, slots=True)
class Codecs:
    """How dead letters are read and notes are written."""

    letters: Decoder
    notes: ValueCodec


class SecondChances:
    """Those of one enrichment. Implements the engine's Processor."""

    def __init__(
        self,
        enrichment: Enrichment,
        codecs: Codecs,
        keyring: Keyring,
        noted: Noted,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._enrichment, self._codecs, self._keyring = enrichment, codecs, keyring
        chance = enrichment.spec.second_chance
        self._causes = frozenset[Cause]() if chance is None else frozenset(chance.causes)
        self._most = 0 if chance is None else len(chance.delays)
        self._noted, self._now, self._sleep = noted, now, sleep
        self.waiting = Waiting()

    async def process(self, record: Record) -> Sequence[Output]:
        """Of a dead letter that is tried again, when that is due: its record and a note. Of any other, and of one that
        has a note already, nothing."""
        letter = await self._read(record)
        if letter is None or await self._noted.noted(record, letter.text("event_id")):
            return ()
        due = cast(datetime, letter.envelope["next_try_at"])
        self.waiting.due[letter.id] = due
        try:
            while (left := due - self._now()) > timedelta(0):
                await self._sleep(min(left, _LONGEST_NAP).total_seconds())
        finally:
            del self.waiting.due[letter.id]
        if letter.text("cause") not in self._causes:
            return self._opened(letter.at, letter.text("event_id"), "its enrichment does not try this cause any more")
        try:
            value = open_original(letter, self._keyring)
        except RedactionError as error:
            return self._opened(letter.at, letter.text("event_id"), error.message)
        self.waiting.tried += 1
        return self._sent(letter, value)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        """It waits for a person."""
        _log.error("%s cannot be sent again (%s)", _at(record), type(error).__name__)
        return self._opened(_at(record), _event_of(record), f"unexpected {type(error).__name__}")

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        """It waits for a person."""
        self.waiting.tried -= 1
        return self._opened(_at(record), _event_of(record), f"Kafka refused the record for {refused.topic}: {reason}")

    async def _read(self, record: Record) -> DeadLetter | None:
        """The dead letter, when it is one of this enrichment's that are tried again."""
        named = {name for name, _ in record.headers}
        # What was exported elsewhere is tried again there.
        if record.value is None or NEXT_TRY not in named or IMPORTED_AS in named:
            return None
        try:
            envelope = (await self._codecs.letters.decode(record.value)).record
        except RecordError as error:
            _log.warning("%s cannot be read: %s", _at(record), error)
            return None
        mine = envelope["enrichment"] == self._enrichment.name and envelope["next_try_at"] is not None
        return DeadLetter(_at(record), envelope) if mine else None

    def _sent(self, letter: DeadLetter, value: bytes | None) -> Sequence[Output]:
        now, tries = self._now(), cast(int, letter.envelope["tries"]) + 1
        replay = {
            "replay_id": str(uuid.uuid5(_TRIES, f"{letter.id} {letter.text('event_id')}")),
            "at": now,
            "by": BY,
            "why": f"try {tries} of {max(tries, self._most)} after {letter.text('cause')}",
        }
        headers = tuple(sent_again(letter.envelope, replay, tries, self._keyring))
        key = cast(bytes | None, letter.envelope["key"])
        partition = cast(int, letter.source["partition"])
        return [
            Output(str(letter.source["topic"]), key, value, headers, partition=partition),
            self._note(letter.at, letter.text("event_id"), {"status": "REPLAYED", **replay}),
        ]

    def _opened(self, at: Coordinates, event_id: str, why: str) -> Sequence[Output]:
        self.waiting.opened += 1
        return [self._note(at, event_id, {"status": "OPENED", "at": self._now(), "by": BY, "why": why})]

    def _note(self, at: Coordinates, event_id: str, what: dict[str, object]) -> Output:
        note = {"dead_letter": at.as_record(), "event_id": event_id, **what}
        return Output(STATUS_TOPIC, str(at).encode(), self._codecs.notes.encode(note))


def _at(record: Record) -> Coordinates:
    return Coordinates(record.topic, record.partition, record.offset)


def _event_of(record: Record) -> str:
    return (next((value for name, value in record.headers if name == EVENT_ID), None) or b"").decode("utf-8", "replace")
