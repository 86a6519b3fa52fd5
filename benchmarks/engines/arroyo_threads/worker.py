"""Arroyo as its documentation has it for calls: RunTaskInThreads, Produce, CommitOffsets, and its dead-letter policy.

Results leave in the order of the input: a slow call keeps those behind it back, up to `max_pending_futures` of them.
"""

import signal
from collections.abc import Mapping

from arroyo.backends.kafka import KafkaConsumer, KafkaPayload, KafkaProducer
from arroyo.backends.kafka.configuration import build_kafka_configuration, build_kafka_consumer_configuration
from arroyo.commit import ONCE_PER_SECOND
from arroyo.dlq import DlqPolicy, InvalidMessage, KafkaDlqProducer
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, ProcessingStrategy, ProcessingStrategyFactory, Produce
from arroyo.processing.strategies.run_task_in_threads import RunTaskInThreads
from arroyo.types import BrokerValue, Commit, Message, Partition, Topic
from call import CallFailedError, MalformedError, Task, ThreadCaller

PENDING = 4
"""Results that may wait behind a slow one, for each thread."""


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    def __init__(self, task: Task, producer: KafkaProducer) -> None:
        self._task, self._producer, self._call = task, producer, ThreadCaller(task)

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        produce = Produce(self._producer, Topic(self._task.target), CommitOffsets(commit))
        return RunTaskInThreads(self._handle, self._task.concurrency, PENDING * self._task.concurrency, produce)

    def _handle(self, message: Message[KafkaPayload]) -> KafkaPayload:
        try:
            return KafkaPayload(message.payload.key, self._call(message.payload.value), [])
        except (MalformedError, CallFailedError):
            assert isinstance(message.value, BrokerValue)
            raise InvalidMessage(message.value.partition, message.value.offset) from None


def main() -> None:
    task = Task.read()
    cluster: dict[str, object] = {"bootstrap.servers": task.bootstrap}
    producer = KafkaProducer(build_kafka_configuration(cluster))
    consumer = KafkaConsumer(
        build_kafka_consumer_configuration(cluster, auto_offset_reset="earliest", group_id=task.group)
    )
    policy = DlqPolicy(KafkaDlqProducer(producer, Topic(task.graveyard)))
    processor = StreamProcessor(consumer, Topic(task.source), Factory(task, producer), ONCE_PER_SECOND, policy)
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()


if __name__ == "__main__":
    main()
