"""What a group has committed: the only truth about what is finished."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pipeline.stream import metadata
from pipeline.stream.assignment import Name
from pipeline.stream.kafka import Consumer, KafkaException, TopicPartition
from pipeline.stream.progress import Progress

log = logging.getLogger(__name__)


def committed(consumer: Consumer, names: Iterable[Name], timeout: float) -> dict[Name, Progress]:
    """The progress of these partitions, from offset and metadata of their last commit.

    Waits up to `timeout` seconds while one of them is pending in an open transaction (the consumer reads committed
    only), or while the brokers are away; then raises KafkaException.
    """
    found: dict[Name, Progress] = {}
    for answer in consumer.committed([TopicPartition(*name) for name in names], timeout=timeout):
        if answer.error is not None:
            raise KafkaException(answer.error)
        name = answer.topic, answer.partition
        if answer.offset < 0:
            found[name] = Progress()
            continue
        try:
            finished = metadata.decode(answer.metadata)
        except ValueError as error:
            log.warning("%s[%d]: %s; all from offset %d on is processed", *name, error, answer.offset)
            finished = b""
        found[name] = Progress(answer.offset, finished)
    return found
