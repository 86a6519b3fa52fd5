"""Sends dead letters again, each once.

The record and the note that it was sent stand in one Kafka transaction, under one transactional id for all replays of
a cluster. So a replayer that was killed left either both or neither, a second one that starts fences the first, and
whoever asks to send the same dead letter again finds the note and leaves it: two replays give one output.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from pipeline.catalogue import REPLAY_ID
from pipeline.deadletters.envelope import EVENT_ID, REPLAYS, sealed_to
from pipeline.deadletters.pace import Pace
from pipeline.deadletters.reading import OPEN, STATUS_TOPIC, DeadLetter, DeadLetterTopics
from pipeline.errors import PipelineError, RedactionError, UnavailableError
from pipeline.redact import Keyring
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.kafka import KafkaError, KafkaException, Producer

_BATCH_RECORDS, _BATCH_BYTES = 100, 16 << 20
_TIMEOUT_S = 30
_LARGEST_MESSAGE = 64 << 20
"""Bytes: the topics' own limits decide, not the client's."""
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_REFUSED = frozenset(
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
    """Who sends what again, and why. `rate` is records per second; 0 is as fast as Kafka takes them."""

    by: str
    why: str
    rate: float = 0
    replay_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Report:
    """What a replay did. `unreadable` holds the ids whose original could not be opened, each with the reason."""

    replay_id: str
    sent: int = 0
    already: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


class Replayer:
    """Sends dead letters of one dead-letter topic again."""

    def __init__(self, topics: DeadLetterTopics, topic: str, keyring: Keyring) -> None:
        self._topics, self._topic, self._keyring = topics, topic, keyring

    async def replay(
        self, letters: Sequence[DeadLetter], order: Order, sent: Callable[[int], None] = lambda _: None
    ) -> Report:
        """Sends `letters` in their order, in transactions of up to 100; `sent` is told how many after each.

        Raises UnavailableError when Kafka does not take them or another replay took over; what was
        committed before is done and stays done.
        """
        report = Report(order.replay_id)
        complaints = Complaints(self._topics.client)
        producer = self._producer(complaints)
        try:
            # First: it ends what a killed replayer left open, so that the notes read next are all there are.
            producer.init_transactions(_TIMEOUT_S)
            statuses = await self._topics.statuses()
            due = [letter for letter in letters if statuses.of(letter) == OPEN]
            report.already = len(letters) - len(due)
            pace = Pace(order.rate)
            for batch in _batches(due, min(_BATCH_RECORDS, max(1, int(order.rate))) if order.rate else _BATCH_RECORDS):
                await pace.wait(len(batch))
                sent(self._send_what_goes(producer, batch, order, report))
        except KafkaException as error:
            _abort(producer)
            raise _stopped(error.args[0], complaints, producer, report.sent) from None
        return report

    def _producer(self, complaints: Complaints) -> Producer:
        return Producer(
            {
                **self._topics.client,
                "transactional.id": REPLAY_ID,
                # A killed replayer holds back the input topic's readers for no longer than this.
                "transaction.timeout.ms": _TIMEOUT_S * 1000,
                "message.max.bytes": _LARGEST_MESSAGE,
                "log_level": 0,
                "error_cb": complaints,
            },
            logger=SILENT,
        )

    def _send_what_goes(self, producer: Producer, batch: Sequence[DeadLetter], order: Order, report: Report) -> int:
        """Sends a batch; when Kafka refuses a record of it, each alone, so that one does not hold back the others."""
        try:
            return self._send(producer, batch, order, report)
        except KafkaException as error:
            if error.args[0].code() not in _REFUSED:
                raise
            _abort(producer)
            if len(batch) == 1:
                report.unreadable[batch[0].id] = f"Kafka does not take it ({error.args[0].name()})"
                return 0
            return sum(self._send_what_goes(producer, [letter], order, report) for letter in batch)

    def _send(self, producer: Producer, batch: Sequence[DeadLetter], order: Order, report: Report) -> int:
        now = datetime.now(UTC)
        originals: list[tuple[DeadLetter, bytes | None]] = []
        for letter in batch:
            try:
                originals.append((letter, self.original(letter)))
            except RedactionError as error:
                report.unreadable[letter.id] = error.message
        producer.begin_transaction()
        for letter, value in originals:
            source = cast(Mapping[str, object], letter.envelope["source"])
            producer.produce(
                str(source["topic"]),
                partition=int(cast(int, source["partition"])),
                key=cast(bytes | None, letter.envelope["key"]),
                value=value,
                headers=_headers(letter, order, now),
            )
            producer.produce(STATUS_TOPIC, key=letter.id.encode(), value=self._status(letter, order, now))
        producer.commit_transaction(_TIMEOUT_S)
        report.sent += len(originals)
        return len(originals)

    def original(self, letter: DeadLetter) -> bytes | None:
        """The input record's value, as the bytes were. Raises RedactionError when it cannot be had or opened."""
        sealed = cast(bytes | None, letter.envelope["original"])
        if sealed is None:
            if letter.envelope["original_size"]:
                raise RedactionError("the original was too large to keep here; it is in the input topic at its source")
            return None
        return self._keyring.open(sealed, sealed_to(letter.envelope))

    def _status(self, letter: DeadLetter, order: Order, now: datetime) -> bytes:
        return self._topics.codec(STATUS_TOPIC).encode(
            {
                "dead_letter": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
                "event_id": letter.envelope["event_id"],
                "status": "REPLAYED",
                "replay_id": order.replay_id,
                "at": now,
                "by": order.by,
                "why": order.why,
            }
        )


def _batches(letters: Sequence[DeadLetter], most: int) -> Iterator[list[DeadLetter]]:
    """In order, each small enough for one short transaction."""
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        more = int(cast(int, letter.envelope["original_size"]))
        if batch and (len(batch) == most or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += more
    if batch:
        yield batch


def _abort(producer: Producer) -> None:
    """What was not committed is not to hold back readers until the broker gives it up."""
    with contextlib.suppress(KafkaException):
        producer.abort_transaction(_TIMEOUT_S)


def _stopped(error: KafkaError, complaints: Complaints, producer: Producer, sent: int) -> PipelineError:
    if error.code() in _FENCED:
        return UnavailableError(f"another replay took over after {sent} records; run it again to go on")
    complaints.heard_by(producer)
    return complaints.failure(error, f"replaying, after {sent} records; run it again to go on")


def _headers(letter: DeadLetter, order: Order, now: datetime) -> list[tuple[str, str | bytes | None]]:
    """The original's headers, its identity, and its history with this replay added."""
    kept = cast(Sequence[Mapping[str, object]], letter.envelope["headers"])
    headers: list[tuple[str, str | bytes | None]] = [
        (str(item["name"]), cast(bytes | None, item["value"]))
        for item in kept
        if item["name"] not in (EVENT_ID, REPLAYS)
    ]
    earlier = cast(Sequence[Mapping[str, object]], letter.envelope["replays"])
    replays = [{**item, "at": cast(datetime, item["at"]).isoformat()} for item in earlier]
    replays.append({"replay_id": order.replay_id, "at": now.isoformat(), "by": order.by, "why": order.why})
    first = cast(datetime, letter.envelope["first_failed_at"]).isoformat()
    history = json.dumps(
        {"received_at": letter.received_at.isoformat(), "first_failed_at": first, "replays": replays}
    ).encode()
    return [*headers, (EVENT_ID, letter.text("event_id").encode()), (REPLAYS, history)]
