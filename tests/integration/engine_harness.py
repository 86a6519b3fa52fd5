"""What the engine's tests share: a processor that copies, an observer to wait with, and plain clients."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.errors import UnavailableError
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.kafka import Producer
from pipeline.stream.observer import Partition, Silent
from pipeline.stream.reader import read
from pipeline.stream.record import Headers, Output, Record

QUICK = EnginePolicy(transaction_timeout=timedelta(seconds=3), grace=timedelta(seconds=5))

Step = Callable[[Record], Awaitable[None]]


async def at_once(_: Record) -> None:
    """The step that takes no time."""


@dataclass
class Copier:
    """Writes every record to `target` as it came, after `step`; what died goes to `graveyard` with its reason."""

    target: str
    graveyard: str = ""
    step: Step = at_once
    outputs: Callable[[Record], Sequence[Output]] | None = None
    calls: Counter[tuple[int, int]] = field(default_factory=Counter)

    async def process(self, record: Record) -> Sequence[Output]:
        self.calls[record.partition, record.offset] += 1
        await self.step(record)
        if self.outputs is not None:
            return self.outputs(record)
        return (Output(self.target, record.key, record.value, record.headers),)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        return (Output(self.graveyard, record.key, record.value, (("reason", str(error).encode()),)),)

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        return (Output(self.graveyard, record.key, record.value, (("reason", reason.encode()),)),)


class Watcher(Silent):
    """Wakes whoever waits for a state, whenever something happens."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.aborts: list[str] = []
        self.abandoned_for: list[str] = []
        self.moved: list[Partition] = []
        self.lost_partitions: list[Partition] = []
        self.waited: dict[Partition, timedelta] = {}
        self.resolving: set[Partition] = set()
        self.cancelled = 0

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                try:
                    # Some states (idle, lag) change without an event.
                    async with asyncio.timeout(0.1):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None:
        self.resolving |= set(resolving)
        self._news.set()

    def resolved(self, partition: Partition, waited: timedelta) -> None:
        self.waited[partition] = waited
        self._news.set()

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None:
        self.moved += partitions
        self.cancelled += cancelled
        self._news.set()

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None:
        self.lost_partitions += partitions
        self._news.set()

    def committed(self, records: int, outputs: int, took: timedelta) -> None:
        self._news.set()

    def aborted(self, reason: str) -> None:
        self.aborts.append(reason)
        self._news.set()

    def abandoned(self, reason: str) -> None:
        self.abandoned_for.append(reason)
        self._news.set()


@dataclass
class Worker:
    """An engine that runs, and who watches it."""

    engine: Engine
    watcher: Watcher
    run: asyncio.Task[None]

    async def committed(self, records: int, within: float = 60.0) -> None:
        """Waits until so many records are committed since it started."""
        await self.watcher.until(lambda: self.run.done() or self.engine.status().records_committed >= records, within)
        if self.run.done():
            self.run.result()

    async def idle(self, within: float = 60.0) -> None:
        """Waits until it has nothing left to do."""
        await self.watcher.until(lambda: self.run.done() or self.engine.status().idle_since is not None, within)
        if self.run.done():
            self.run.result()

    async def stop(self) -> None:
        """Stops it in good order."""
        self.engine.stop()
        await self.run


@asynccontextmanager
async def working(
    client: Mapping[str, str],
    processor: Copier,
    topic: str,
    group: str,
    *,
    policy: EnginePolicy = QUICK,
    slot: int = 0,
) -> AsyncIterator[Worker]:
    """A running engine; stopped at the end, whatever happened."""
    watcher = Watcher()
    engine = Engine(
        processor,
        topics=[topic],
        group=group,
        transactional_id=f"{group}.{slot}",
        client=client,
        policy=policy,
        observer=watcher,
    )
    run = asyncio.create_task(engine.run())
    try:
        yield Worker(engine, watcher, run)
        if not run.cancelled():
            engine.stop()
            await run
    finally:
        run.cancel()
        await asyncio.wait({run})


@asynccontextmanager
async def stream(client: Mapping[str, str], topic: str, keys: int, pause: float) -> AsyncIterator[list[int]]:
    """Numbered records that keep coming, one every `pause` seconds; the list holds how many came so far."""
    producer, count = Producer({**client, "linger.ms": 5}), [0]

    async def go_on() -> None:
        while True:
            producer.produce(topic, b"%d" % count[0], b"key-%d" % (count[0] % keys))
            producer.poll(0)
            count[0] += 1
            await asyncio.sleep(pause)

    task = asyncio.create_task(go_on())
    try:
        yield count
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert producer.flush(20) == 0


def publish(client: Mapping[str, str], topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Writes records; says how many."""
    return publish_with_headers(client, topic, ((key, value, ()) for key, value in records))


def publish_with_headers(
    client: Mapping[str, str], topic: str, records: Iterable[tuple[bytes | None, bytes | None, Headers]]
) -> int:
    """Writes records with headers; says how many."""
    # Idempotent: a batch that is sent again must not come behind the next one.
    producer, count = Producer({**client, "linger.ms": 5, "enable.idempotence": True}), 0
    for key, value, headers in records:
        producer.produce(topic, value, key, headers=list(headers))
        producer.poll(0)
        count += 1
    assert producer.flush(20) == 0
    return count


def numbered(count: int, keys: int) -> list[tuple[bytes | None, bytes | None]]:
    """Records whose values are unique and whose keys repeat."""
    return [(b"key-%d" % (n % keys), b"%d" % n) for n in range(count)]


def visible(client: Mapping[str, str], topic: str, count: int) -> list[Record]:
    """The committed records in a topic, when there are `count` or more.

    A commit is answered before its markers stand in every partition: until then a reader sees less.
    """
    deadline = time.monotonic() + 30
    while True:
        try:
            found = list(read(client, [topic]))
        except UnavailableError:
            found = []
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def values(client: Mapping[str, str], topic: str, count: int) -> list[bytes]:
    """The values in a topic, committed ones only, when there are `count` or more."""
    return [record.value or b"" for record in visible(client, topic, count)]


def by_key(records: Iterable[Record]) -> dict[bytes | None, list[int]]:
    """The numbers that `numbered` wrote, in the order in which each key's records stand."""
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for record in records:
        found[record.key].append(int(record.value or b"-1"))
    return found


def exact(client: Mapping[str, str], topic: str, count: int) -> None:
    """Each of the numbered records is there once, those of each key in order."""
    records = visible(client, topic, count)
    assert sorted(int(record.value or b"-1") for record in records) == list(range(count))
    wrong = next((key for key, numbers in by_key(records).items() if numbers != sorted(numbers)), None)
    story = [(one.partition, one.offset, one.value) for one in records if wrong is not None and one.key == wrong]
    assert wrong is None, f"{wrong!r} came out as {story}"
