"""First contact: what keeps an engine from working is said at the start, in one line."""

from collections.abc import Sequence

from pipeline.stream.failures import Complaints
from pipeline.stream.kafka import Consumer, KafkaError, KafkaException, TopicPartition

_A_MOMENT = 0.5
"""Seconds to learn whether the group may be read; longer means that something else is going on."""


def check(consumer: Consumer, topics: Sequence[str], group: str, complaints: Complaints, timeout: float) -> None:
    """Whether the brokers answer, the topics are there, and this user may read them as this group. Blocks.

    Raises UnavailableError, or UsageError when something is to be mended first.
    """
    for topic in topics:
        doing = f"reading {topic}"
        try:
            error = complaints.topics(consumer, topic, timeout)[topic].error
        except KafkaException as failure:
            raise complaints.failure(failure, doing) from None
        if error is not None and not error.retriable():
            raise complaints.failure(error, doing)
    try:
        consumer.committed([TopicPartition(topics[0], 0)], timeout=_A_MOMENT)
    except KafkaException as failure:
        # Anything else passes: offsets pending in another worker's transaction, a coordinator that moves.
        if failure.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise complaints.failure(failure, f"reading as group {group}") from None
