"""Publishes records outside any transaction: acknowledged by all replicas, without repeats, in order."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from pipeline.errors import Cause, EncodeError, PipelineError, Stage
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.kafka import KafkaError, KafkaException, Message, Producer
from pipeline.stream.record import Output

_TOO_LARGE: Final = KafkaError.MSG_SIZE_TOO_LARGE
_UNACKNOWLEDGED: Final = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


class Publisher:
    """One idempotent producer with a bounded queue. Not for several threads at once.

    `delivered` counts what the brokers acknowledged. A record that they refuse is raised as EncodeError by the next
    `send` or by `flush`, the first of them if there are several; `refused` counts them all.
    """

    def __init__(self, client: Mapping[str, str], *, timeout: float = 60.0) -> None:
        """`timeout`: seconds after which a record that no broker acknowledged is given up."""
        self._complaints = Complaints(client)
        self._timeout = timeout
        self.delivered = 0
        self.refused = 0
        self._failure: KafkaError | None = None
        self._failed_topic = ""
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "linger.ms": 5,
                # Java's: otherwise a key stands in another partition than where its other publishers put it.
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                # A broker that refuses one record refuses its whole batch: small ones keep that to few.
                "batch.size": 65_536,
                # The topic's own limit decides, not the client's.
                "message.max.bytes": 64 << 20,
                "queue.buffering.max.messages": 20_000,
                "queue.buffering.max.kbytes": 128 << 10,
                "topic.metadata.propagation.max.ms": 3000,
                "delivery.timeout.ms": int(timeout * 1000),
                "log_level": 0,
                **client,
                "error_cb": self._complaints,
            },
            logger=SILENT,
        )

    def send(self, output: Output, *, timestamp_ms: int | None = None) -> None:
        """Queues one record; waits while the queue is full. `timestamp_ms`: Unix time, now when None.

        Raises EncodeError when this or an earlier record was refused, UnavailableError when no broker takes any.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            self._raise_failure()
            try:
                self._producer.produce(
                    output.topic,
                    output.value,
                    output.key,
                    headers=list(output.headers),
                    on_delivery=self._acknowledged,
                    # To the library 0 is now.
                    timestamp=timestamp_ms or 0,
                )
            except BufferError:
                self._producer.poll(0.1)
                if time.monotonic() > deadline:
                    raise self._away() from None
            except KafkaException as error:
                raise self._reason(error.args[0], output.topic) from None
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Waits until every record sent is acknowledged. Raises as `send` does."""
        deadline = time.monotonic() + self._timeout
        try:
            while self._producer.flush(0.2):
                self._raise_failure()
                if time.monotonic() > deadline:
                    raise self._away()
        except KafkaException as error:
            raise self._reason(error.args[0], "any topic") from None
        self._raise_failure()

    def close(self) -> None:
        """Gives up what is not acknowledged; after a `flush` that is nothing."""
        self._producer.purge()
        self._producer.flush(1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def _acknowledged(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
            return
        self.refused += 1
        if self._failure is None:
            self._failure, self._failed_topic = error, message.topic() or ""

    def _raise_failure(self) -> None:
        if self._failure is not None:
            error, self._failure = self._failure, None
            raise self._reason(error, self._failed_topic)

    def _reason(self, error: KafkaError, topic: str) -> PipelineError:
        if error.code() == _TOO_LARGE:
            return EncodeError(
                f"a record is larger than {topic} takes (max.message.bytes)",
                cause=Cause.OUTPUT_TOO_LARGE,
                stage=Stage.PRODUCE,
            )
        if error.code() in _UNACKNOWLEDGED:
            return self._away()
        return self._complaints.failure(error, f"publishing to {topic}")

    def _away(self) -> PipelineError:
        self._complaints.heard_by(self._producer)
        silence = KafkaError(KafkaError._TIMED_OUT)
        return self._complaints.failure(silence, f"publishing: nothing acknowledged for {self._timeout:.0f} s")
