"""Reads topics from end to end, or on and on, outside any consumer group: nothing is committed, nobody is disturbed."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pipeline.errors import UnavailableError
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from pipeline.stream.record import Record

_LEADERLESS: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

Part = tuple[str, int]
"""Topic and partition."""
Start = Literal["earliest", "latest"] | datetime | Mapping[Part, int]

_BATCH: Final = 2000
"""Records taken from the library at once: beyond 1,000 it makes no difference (measured)."""
_WAIT: Final = 0.1
"""Seconds of waiting for records: how late a stop is noticed at most."""


def read(
    client: Mapping[str, str],
    topics: Sequence[str],
    *,
    until_end: bool = True,
    settled: bool = False,
    limit: int | None = None,
    start: Start = "earliest",
    only: Sequence[Part] = (),
    stop: threading.Event | None = None,
    timeout: float = 15.0,
) -> Iterator[Record]:
    """The committed records of `topics`, those of each partition in order.

    With `until_end` up to where each partition ended when reading began (its last stable offset: a transaction that
    was open then is not waited for, unless `settled`); otherwise on and on until `stop` is set. `start` may be a point
    in time, or the offsets to begin with: then only their partitions are read. `only` names the partitions to read.
    Ends after `limit` records. Partitions added while it follows are not read.

    Raises UnavailableError when the cluster cannot be reached, or is silent for `timeout` seconds before the end;
    UsageError when a topic does not exist or may not be read.
    """
    complaints = Complaints(client)
    # The news of an end comes with an answer: the broker is not to hold it back for records to come.
    consumer = _consumer(client, complaints, wait_ms=10 if until_end else 100)
    try:
        named = list(start) if isinstance(start, Mapping) else list(only)
        partitions = named or _partitions(consumer, topics, timeout, complaints)
        ends = _offsets(consumer, partitions, _END, timeout)
        if settled:
            ends = {
                part: max(end, consumer.get_watermark_offsets(TopicPartition(*part), timeout)[1])
                for part, end in ends.items()
            }
        if isinstance(start, Mapping):
            begins = dict(start)
        else:
            begins = ends if start == "latest" else _offsets(consumer, partitions, _timestamp(start), timeout)
        # Of a partition without a record after a point in time the answer is "the end".
        begins = {part: ends[part] if offset < 0 else offset for part, offset in begins.items()}
        if until_end:
            begins = {part: offset for part, offset in begins.items() if offset < ends[part]}
        consumer.assign([TopicPartition(*part, offset) for part, offset in begins.items()])
        records = (
            _until(consumer, {part: ends[part] for part in begins}, timeout) if until_end else _follow(consumer, stop)
        )
        yield from itertools.islice(records, limit)
    except KafkaException as error:
        complaints.heard_by(consumer)
        raise complaints.failure(error, f"reading {', '.join(topics)}") from None
    finally:
        consumer.close()


def pick(client: Mapping[str, str], wanted: Mapping[Part, Sequence[int]], *, timeout: float = 15.0) -> Iterator[Record]:
    """The committed records at these offsets, those of a partition in order; what is no longer there is left out.

    Reads over small gaps between them and jumps over large ones. Raises as `read` does.
    """
    runs = {part: _runs(sorted(offsets)) for part, offsets in wanted.items() if offsets}
    if not runs:
        return
    chosen = {part: frozenset(offsets) for part, offsets in wanted.items()}
    complaints = Complaints(client)
    consumer = _consumer(client, complaints, wait_ms=10)
    try:
        ends = _offsets(consumer, list(runs), _END, timeout)
        while runs:
            now = {part: left.pop(0) for part, left in runs.items()}
            runs = {part: left for part, left in runs.items() if left}
            until = {part: min(last + 1, ends[part]) for part, (first, last) in now.items() if first < ends[part]}
            consumer.assign([TopicPartition(*part, now[part][0]) for part in until])
            consumer.resume([TopicPartition(*part) for part in until])
            for record in _until(consumer, until, timeout):
                if record.offset in chosen[record.topic, record.partition]:
                    yield record
    except KafkaException as error:
        complaints.heard_by(consumer)
        raise complaints.failure(error, "reading single records") from None
    finally:
        consumer.close()


_GAP: Final = 500
"""Records read in vain before a jump is the faster way: a jump takes about as long as reading so many."""


def _runs(offsets: Sequence[int]) -> list[tuple[int, int]]:
    """First and last offsets of stretches without large gaps."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and offset - runs[-1][1] <= _GAP:
            runs[-1] = runs[-1][0], offset
        else:
            runs.append((offset, offset))
    return runs


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets of what a partition holds now: from `begin` up to before `end`, committed records only."""

    begin: int
    end: int


def spans(client: Mapping[str, str], topics: Sequence[str], *, timeout: float = 15.0) -> dict[Part, Span]:
    """What every partition of `topics` holds. Raises as `read` does."""
    complaints = Complaints(client)
    consumer = _consumer(client, complaints, wait_ms=10)
    try:
        partitions = _partitions(consumer, topics, timeout, complaints)
        begins = _offsets(consumer, partitions, _BEGINNING, timeout)
        ends = _offsets(consumer, partitions, _END, timeout)
        return {part: Span(begins[part], ends[part]) for part in partitions}
    except KafkaException as error:
        complaints.heard_by(consumer)
        raise complaints.failure(error, f"reading {', '.join(topics)}") from None
    finally:
        consumer.close()


def _consumer(client: Mapping[str, str], complaints: Complaints, *, wait_ms: int) -> Consumer:
    return Consumer(
        {
            "group.id": f"reader-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": wait_ms,
            "log_level": 0,
            **client,
            "isolation.level": "read_committed",
            "error_cb": complaints,
        },
        logger=SILENT,
    )


_END: Final = -1
_BEGINNING: Final = -2
"""Times that stand for places, in the protocol's request for offsets."""


def _partitions(consumer: Consumer, topics: Sequence[str], timeout: float, complaints: Complaints) -> list[Part]:
    found: list[Part] = []
    for topic in topics:
        metadata = complaints.topics(consumer, topic, timeout)[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        found += [(topic, partition) for partition in sorted(metadata.partitions)]
    return found


def _offsets(consumer: Consumer, parts: Sequence[Part], timestamp_ms: int, timeout: float) -> dict[Part, int]:
    """The first offset at or after a time, for all partitions in one request to each broker.

    A topic made a moment ago, or whose leader moves, has none who can answer yet: asked again within `timeout`.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            answered = consumer.offsets_for_times([TopicPartition(*part, timestamp_ms) for part in parts], timeout)
            for answer in answered:
                if answer.error is not None:
                    raise KafkaException(answer.error)
            return {(answer.topic, answer.partition): answer.offset for answer in answered}
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
        consumer.poll(_WAIT)


def _timestamp(start: Literal["earliest", "latest"] | datetime) -> int:
    if isinstance(start, datetime):
        return max(0, int(start.timestamp() * 1000))
    return _END if start == "latest" else _BEGINNING


def _until(consumer: Consumer, ends: dict[Part, int], timeout: float) -> Iterator[Record]:
    """Records below `ends`. A partition is done when the library stands at its end: markers of transactions and
    compaction may leave no record right before it."""
    left = dict(ends)
    quiet_since = time.monotonic()
    while left:
        messages = _batch(consumer)
        if messages:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > timeout:
            raise UnavailableError(f"Kafka was silent for {timeout:.0f} s before the end of a topic: is it up?")
        for message in messages:
            part = _part(message)
            end = left.get(part)
            offset = message.offset()
            if end is None or offset is None:
                continue
            if _is_end(message):
                if offset >= end:
                    del left[part]
                continue
            if offset < end:
                yield _record(message)
            if offset >= end - 1:
                del left[part]
                consumer.pause([TopicPartition(*part)])


def _follow(consumer: Consumer, stop: threading.Event | None) -> Iterator[Record]:
    while stop is None or not stop.is_set():
        for message in _batch(consumer):
            if not _is_end(message):
                yield _record(message)


def _batch(consumer: Consumer) -> list[Message]:
    """What has come, or what comes first: asked for several, the library would wait for all of them."""
    first = consumer.consume(1, _WAIT)
    return first + consumer.consume(_BATCH, 0) if first else first


def _is_end(message: Message) -> bool:
    """Whether it is no record but the news that a partition's end was reached. Raises what else it may tell of."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    raise KafkaException(error)


def _part(message: Message) -> Part:
    return message.topic(), message.partition()  # type: ignore[return-value]  # of consumed ones both are set


def _record(message: Message) -> Record:
    return Record(
        message.topic(),  # type: ignore[arg-type]  # of consumed ones all three are set
        message.partition(),  # type: ignore[arg-type]
        message.offset(),  # type: ignore[arg-type]
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),  # type: ignore[arg-type]  # consumed ones are a list of pairs
    )
