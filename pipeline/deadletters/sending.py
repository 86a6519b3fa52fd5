"""Sends dead letters again, each once.

The record and the note that it was sent stand in one Kafka transaction, under one transactional id for all replays of
a cluster. So a replayer that was killed left either both or neither, a second one that starts fences the first, and
whoever asks to send the same dead letter again finds the note and leaves it: two replays give one output.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self, cast

from pipeline.catalogue import REPLAY_ID
from pipeline.deadletters.history import OVERRIDE, sent_again
from pipeline.deadletters.index import Coordinates
from pipeline.deadletters.ledgers import STATUS_TOPIC
from pipeline.deadletters.overrides import NOTHING, Override
from pipeline.deadletters.reading import DeadLetter, DeadLetterTopics
from pipeline.deadletters.values import Values
from pipeline.errors import PipelineError, RedactionError, UnavailableError
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.kafka import KafkaError, KafkaException, Producer
from pipeline.vault import Keyring

MOST_RECORDS: Final = 100
"""In one transaction, so that it is short."""
_MOST_BYTES: Final = 16 << 20
_TIMEOUT_S: Final = 30
_LARGEST_MESSAGE: Final = 64 << 20
"""Bytes: the topics' own limits decide, not the client's."""
_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


@dataclass(frozen=True, slots=True)
class Order:
    """Who sends what again, why and how. `rate` is records per second; 0 is as fast as Kafka takes them."""

    by: str
    why: str
    rate: float = 0
    override: Override = NOTHING
    replay_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Sent:
    """What was sent so far. `refused` holds the ids of what could not be, each with the reason."""

    records: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Sender:
    """The one producer of replays on a cluster, for as long as the context lasts.

    Raises UnavailableError when Kafka does not take records or another replay took over; what was committed before is
    done and stays done.
    """

    def __init__(self, topics: DeadLetterTopics, values: Values, keyring: Keyring, order: Order) -> None:
        self._topics, self._values, self._keyring, self._order = topics, values, keyring, order
        self._complaints = Complaints(topics.client)
        self.sent = Sent()
        self._producer = Producer(
            {
                **topics.client,
                "transactional.id": REPLAY_ID,
                # A killed replayer holds back the input topic's readers for no longer than this.
                "transaction.timeout.ms": _TIMEOUT_S * 1000,
                "message.max.bytes": _LARGEST_MESSAGE,
                "log_level": 0,
                "error_cb": self._complaints,
            },
            logger=SILENT,
        )

    def __enter__(self) -> Self:
        # Ends what a killed replayer left open, so that the notes read next are all there are.
        try:
            self._producer.init_transactions(_TIMEOUT_S)
        except KafkaException as error:
            raise self._stopped(error.args[0]) from None
        return self

    def __exit__(self, *_: object) -> None:
        # What was not committed is not to hold back readers until the broker gives it up.
        with contextlib.suppress(KafkaException):
            self._producer.abort_transaction(_TIMEOUT_S)

    def send(self, letters: Sequence[DeadLetter], mended: Mapping[Coordinates, bytes]) -> int:
        """Sends `letters` in their order, those in `mended` with these values; how many went."""
        try:
            return sum(self._send_what_goes(batch, mended) for batch in _batches(letters))
        except KafkaException as error:
            raise self._stopped(error.args[0]) from None

    def _send_what_goes(self, batch: Sequence[DeadLetter], mended: Mapping[Coordinates, bytes]) -> int:
        """Sends a batch; when Kafka refuses a record of it, each alone, so that one does not hold back the others."""
        try:
            return self._send(batch, mended)
        except KafkaException as error:
            if error.args[0].code() not in _REFUSED:
                raise
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(_TIMEOUT_S)
            if len(batch) == 1:
                self.sent.refused[batch[0].id] = f"Kafka does not take it ({error.args[0].name()})"
                return 0
            return sum(self._send_what_goes([letter], mended) for letter in batch)

    def _send(self, batch: Sequence[DeadLetter], mended: Mapping[Coordinates, bytes]) -> int:
        now = datetime.now(UTC)
        originals: list[tuple[DeadLetter, bytes | None]] = []
        for letter in batch:
            try:
                originals.append((letter, mended[letter.at] if letter.at in mended else self._values.original(letter)))
            except RedactionError as error:
                self.sent.refused[letter.id] = error.message
        if not originals:
            return 0
        self._producer.begin_transaction()
        for letter, value in originals:
            self._producer.produce(
                str(letter.source["topic"]),
                partition=int(cast(int, letter.source["partition"])),
                key=cast(bytes | None, letter.envelope["key"]),
                value=value,
                headers=self._headers(letter, now),
            )
            self._producer.produce(STATUS_TOPIC, key=str(letter.at).encode(), value=self._note(letter, now))
        self._producer.commit_transaction(_TIMEOUT_S)
        self.sent.records += len(originals)
        return len(originals)

    def _note(self, letter: DeadLetter, now: datetime) -> bytes:
        return self._topics.codec(STATUS_TOPIC).encode(
            {
                "dead_letter": letter.at.as_record(),
                "event_id": letter.envelope["event_id"],
                "status": "REPLAYED",
                "replay_id": self._order.replay_id,
                "at": now,
                "by": self._order.by,
                "why": self._order.why,
            }
        )

    def _headers(self, letter: DeadLetter, now: datetime) -> list[tuple[str, str | bytes | None]]:
        order = self._order
        replay = {"replay_id": order.replay_id, "at": now, "by": order.by, "why": order.why}
        headers: list[tuple[str, str | bytes | None]] = [*sent_again(letter.envelope, replay, 0, self._keyring)]
        if order.override:
            sealed = order.override.sealed(self._keyring, letter.text("event_id"), order.replay_id)
            headers.append((OVERRIDE, sealed))
        return headers

    def _stopped(self, error: KafkaError) -> PipelineError:
        sent = self.sent.records
        if error.code() in _FENCED:
            return UnavailableError(f"another replay took over after {sent} records; run it again to go on")
        self._complaints.heard_by(self._producer)
        return self._complaints.failure(error, f"replaying, after {sent} records; run it again to go on")


def _batches(letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """In order, each small enough for one short transaction."""
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        more = int(cast(int, letter.envelope["original_size"]))
        if batch and (len(batch) == MOST_RECORDS or size + more > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += more
    if batch:
        yield batch
