"""Sends dead letters again, each once.

The record and the note that it was sent stand in one Kafka transaction, under one transactional id per dead-letter
topic. So a replayer that was killed left either both or neither, a second one that starts fences the first, and whoever
asks to send the same dead letter again finds the note and leaves it: two replays give one output.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from pipeline.catalogue import replay_id_of
from pipeline.deadletters.envelope import EVENT_ID, REPLAYS, sealed_to
from pipeline.deadletters.pace import Pace
from pipeline.deadletters.reading import STATUS_TOPIC, DeadLetter, DeadLetterTopics
from pipeline.errors import RedactionError, UnavailableError
from pipeline.redact import Keyring
from pipeline.stream.kafka import KafkaException, Producer

_BATCH = 100
_TIMEOUT_S = 30


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

        Raises UnavailableError when Kafka does not take them; what was committed before is done and stays done.
        """
        report = Report(order.replay_id)
        try:
            producer = self._producer()
            statuses = await self._topics.statuses()
            open_letters = [letter for letter in letters if letter.id not in statuses]
            report.already = len(letters) - len(open_letters)
            pace = Pace(order.rate)
            step = min(_BATCH, max(1, int(order.rate))) if order.rate else _BATCH
            for start in range(0, len(open_letters), step):
                batch = open_letters[start : start + step]
                await pace.wait(len(batch))
                sent(self._send(producer, batch, order, report))
        except KafkaException as error:
            raise UnavailableError(
                f"Kafka stopped the replay after {report.sent} records ({error.args[0].str()}); run it again to go on"
            ) from None
        return report

    def _producer(self) -> Producer:
        producer = Producer(
            {
                **self._topics.client,
                "transactional.id": replay_id_of(self._topic),
                "message.max.bytes": "16777216",
            }
        )
        producer.init_transactions(_TIMEOUT_S)
        return producer

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
    history = json.dumps({"first_failed_at": first, "replays": replays}).encode()
    return [*headers, (EVENT_ID, letter.text("event_id").encode()), (REPLAYS, history)]
