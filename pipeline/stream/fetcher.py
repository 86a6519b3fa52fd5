"""From the client library's messages to records, by assignment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pipeline.stream.assignment import Assignment, Name
from pipeline.stream.kafka import Consumer, KafkaError, Message
from pipeline.stream.record import Headers, Record


@dataclass(slots=True)
class Arrival:
    """What was fetched of one partition."""

    assignment: Assignment
    records: list[Record]
    end: int | None = None
    """The end of the log, when it was reached behind these records."""


def fetch(
    consumer: Consumer,
    wait: float,
    most: int,
    assignment: Callable[[Name], Assignment | None],
    trouble: Callable[[KafkaError], None],
) -> list[Arrival]:
    """Up to `most` records: waits for the first one only, up to `wait` seconds, and takes what else is there.

    Callbacks of the consumer run inside. `assignment` tells whose a partition is now; records of others are passed
    over, and fetched again by whoever has it. `trouble` is told every error.
    """
    arrivals: dict[Assignment, Arrival] = {}

    def sort(message: Message) -> None:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            trouble(error)
            return
        topic, partition = message.topic(), message.partition()
        assert topic is not None
        assert partition is not None
        found = assignment((topic, partition))
        if found is None:
            return
        arrival = arrivals.get(found)
        if arrival is None:
            arrival = arrivals[found] = Arrival(found, [])
        if error is None:
            arrival.records.append(_record(topic, partition, message))
        else:
            arrival.end = message.offset()

    first = consumer.poll(wait)
    if first is not None:
        # Sorted in before the next call: that may run callbacks, after which the partition may be another assignment.
        sort(first)
        if most > 1:
            for message in consumer.consume(most - 1, 0):
                sort(message)
    return list(arrivals.values())


def _record(topic: str, partition: int, message: Message) -> Record:
    offset = message.offset()
    assert offset is not None
    return Record(topic, partition, offset, message.timestamp()[1], message.key(), message.value(), _headers(message))


def _headers(message: Message) -> Headers:
    try:
        headers = message.headers()
    except (UnicodeDecodeError, SystemError):
        # A header's name is not UTF-8: the client library has no form for it, and the record goes on without headers.
        return ()
    return tuple(cast(list[tuple[str, bytes | None]], headers)) if headers else ()
