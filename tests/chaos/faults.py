"""How the faults of a schedule happen to a fleet of workers and a cluster of brokers."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable, Mapping

from pipeline.devstack.kafka import Broker, Kafka
from pipeline.stream.kafka import AdminClient, KafkaException, Producer
from tests.chaos.fleet import Fleet
from tests.chaos.schedule import GUEST, WORKERS, Fault, Kind


class Faults:
    """Does what a schedule says."""

    def __init__(self, kafka: Kafka, group: str, workers: Fleet, review: Callable[[], None]) -> None:
        self._kafka, self._group, self._workers, self._review = kafka, group, workers, review
        self._client: Mapping[str, str] = kafka.client()

    def happen(self, fault: Fault) -> None:
        """One of them; returns when its brokers are back."""
        workers = self._workers
        match fault.kind:
            case Kind.KILL:
                workers.kill(fault.worker)
            case Kind.FREEZE:
                workers.freeze(fault.worker, fault.seconds)
            case Kind.LEAVE:
                workers.leave(fault.worker, fault.seconds)
            case Kind.JOIN:
                workers.start(GUEST)
                workers.later(fault.seconds, lambda: workers.leave(GUEST, None))
            case Kind.ROLLING:
                for turn, slot in enumerate(WORKERS):
                    workers.later(turn * fault.seconds, functools.partial(workers.leave, slot, 0.0))
            case Kind.FENCE:
                self._fence(fault.worker)
            case Kind.CLOCK:
                workers.signal(fault.worker, signal.SIGUSR1)
            case Kind.BROKER_RESTART:
                self._without(self._kafka.brokers[fault.broker], fault, kill=False)
            case Kind.BROKER_KILL:
                self._without(self._kafka.brokers[fault.broker], fault, kill=True)
            case Kind.COORDINATOR:
                self._without(self._kafka.brokers[self._coordinator() - 1], fault, kill=True)
            case Kind.NO_BROKER:
                self._kafka.freeze()
                ends = time.monotonic() + fault.seconds
                workers.until(lambda: time.monotonic() > ends, ends + 60)
                self._kafka.thaw()
                self._until_whole()
            case Kind.REVIEW:
                self._review()

    def _without(self, broker: Broker, fault: Fault, *, kill: bool) -> None:
        """One broker away, and back; then until every partition has all its replicas, for the next may be another."""
        if kill:
            broker.kill()
        else:
            broker.stop()
        ends = time.monotonic() + fault.seconds
        self._workers.until(lambda: time.monotonic() > ends, ends + 60)
        broker.start()
        self._until_whole()

    def _until_whole(self) -> None:
        admin = AdminClient({**self._client, "log_level": "0"})

        def whole() -> bool:
            try:
                topics = admin.list_topics(timeout=2).topics.values()
            except KafkaException:
                return False
            parts = [part for topic in topics for part in topic.partitions.values()]
            return all(part.leader >= 0 and len(part.isrs) == len(part.replicas) for part in parts)

        self._workers.until(whole, time.monotonic() + 60)

    def _coordinator(self) -> int:
        """The broker that leads the group's part of the offsets topic: Java's hash of the name, modulo its parts."""
        code = 0
        for letter in self._group.encode():
            code = (31 * code + letter) & 0xFFFFFFFF
        parts = AdminClient(dict(self._client)).list_topics("__consumer_offsets", 10).topics["__consumer_offsets"]
        return int(parts.partitions[(code & 0x7FFFFFFF) % len(parts.partitions)].leader)

    def _fence(self, slot: str) -> None:
        """Another producer with the worker's transactional id: its start aborts what is open and fences the worker."""
        other = Producer({**self._client, "transactional.id": f"{self._group}.{slot}", "log_level": 0})
        try:
            other.init_transactions(10)
        except KafkaException:
            # The worker was quicker: then it is this one that is fenced.
            return
