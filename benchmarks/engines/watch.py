"""What a read-committed consumer sees of the outputs, as it comes."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import orjson
from benchmarks.engines.tickets import Ticket, number_of
from confluent_kafka import Consumer, Message, TopicPartition


@dataclass(frozen=True, slots=True)
class Seen:
    """One output or dead letter."""

    number: int
    partition: int
    key: bytes
    answered_ns: int
    """0 for a dead letter."""
    visible_ns: int


@dataclass
class Verdict:
    """What is wrong with the outputs; all zero is what is wanted."""

    lost: int = 0
    duplicate: int = 0
    """Outputs beyond the first of a ticket."""
    out_of_order: int = 0
    """Outputs that stand behind a later ticket of the same key."""
    false_dead: int = 0
    """Dead letters of tickets with which nothing is wrong."""


@dataclass
class Watcher:
    """A thread of its own; use it as a context manager."""

    bootstrap: str
    target: str
    graveyard: str
    partitions: int
    outputs: list[Seen] = field(default_factory=list)
    dead: list[Seen] = field(default_factory=list)
    _numbers: set[int] = field(default_factory=set)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _over: threading.Event = field(default_factory=threading.Event)
    _error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait(self, tickets: int, seconds: float) -> int:
        """How many tickets are visible: as soon as there are so many, or after that time."""
        with self._news:
            self._news.wait_for(lambda: len(self._numbers) >= tickets or self._error is not None, seconds)
            if self._error is not None:
                raise self._error
            return len(self._numbers)

    def verdict(self, tickets: Sequence[Ticket], *, over: bool) -> Verdict:
        """Compares with what was published; what is missing is lost when it is `over`, and may still come if not."""
        found = Verdict()
        times = Counter(one.number for one in [*self.outputs, *self.dead])
        found.lost = sum(1 for ticket in tickets if ticket.number not in times) if over else 0
        found.duplicate = sum(many - 1 for many in times.values())
        found.false_dead = len({one.number for one in self.dead if tickets[one.number].well_formed})
        newest: dict[tuple[int, bytes], int] = defaultdict(lambda: -1)
        met: set[int] = set()
        for one in self.outputs:
            if one.number not in met:
                met.add(one.number)
                lane = one.partition, one.key
                found.out_of_order += one.number < newest[lane]
                newest[lane] = max(newest[lane], one.number)
        return found

    def _watch(self) -> None:
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap,
            "group.id": "watcher",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
        })  # fmt: skip
        try:
            parts = [TopicPartition(self.target, number, 0) for number in range(self.partitions)]
            consumer.assign([*parts, TopicPartition(self.graveyard, 0, 0)])
            while not self._over.is_set():
                first = consumer.poll(0.1)
                if first is None:
                    continue
                now = time.time_ns()
                for message in [first, *consumer.consume(1000, 0)]:
                    if not message.error():
                        self._take(message, now)
                with self._news:
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            with self._news:
                self._error = error
                self._news.notify_all()
        finally:
            consumer.close()

    def _take(self, message: Message, now: int) -> None:
        value, dead = message.value() or b"", message.topic() == self.graveyard
        number = number_of(value)
        if number is None:
            raise ValueError(f"an output in {message.topic()} names no ticket")
        answered = 0 if dead else int(orjson.loads(value)["answered_ns"])
        key = message.key()
        seen = Seen(number, message.partition() or 0, key if isinstance(key, bytes) else b"", answered, now)
        (self.dead if dead else self.outputs).append(seen)
        self._numbers.add(number)
