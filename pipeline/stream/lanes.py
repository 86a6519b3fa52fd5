"""Key-ordered dispatch: one record at a time per (partition, key), up to so many lanes at once. Pure asyncio.

Partitions take turns, and in each the oldest record starts whose key is free. At the end of one line for all, the next
record of a busy key would wait for all others each time, and a partition that was read last for all others' backlog.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from heapq import heappop, heappush

from pipeline.stream.record import Record

Run = Callable[[Record], Coroutine[None, None, None]]

_STARTS = 10
"""Records started in one turn of the event loop. A start costs milliseconds of CPU (redaction, prompt, request): a
thousand in one turn would leave answers that have come unread for seconds, and their models would seem slow."""


class PartitionLanes:
    """The lanes of one assigned partition. `run` is awaited for each record and must not raise."""

    __slots__ = ("_again", "_by_key", "_closed", "_in_line", "_new", "_run", "_tasks", "waiting")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._by_key: dict[bytes, _Lane] = {}
        self._new: deque[_Lane] = deque()
        """Ready lanes whose first record has just come, in offset order."""
        self._again: list[tuple[int, _Lane]] = []
        """Ready lanes that had another record before: a heap by the offset of the next."""
        self._in_line = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.waiting = 0
        """Records that have not started."""

    @property
    def in_flight(self) -> int:
        """Records that have started and not ended."""
        return len(self._tasks)

    def _next(self) -> _Lane:
        """The ready lane with the oldest record; there is one."""
        if self._again and (not self._new or self._again[0][0] < self._new[0].records[0].offset):
            return heappop(self._again)[1]
        return self._new.popleft()


class Lanes:
    """All lanes of an engine. Records without a key have no order: each is a lane of its own."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = self._limit = concurrency
        self._line: deque[PartitionLanes] = deque()
        """Partitions with lanes that are ready; each starts one record and goes to the end."""
        self._held: set[str] = set()
        self._started = 0
        """In this turn of the event loop."""
        self.in_flight = 0
        """Records that have started and not ended."""

    def admit(self, partition: PartitionLanes, records: Iterable[Record]) -> None:
        """Takes records of one partition, in offset order; each starts when its key's turn and a free place come."""
        if partition._closed:
            return
        by_key = partition._by_key
        for record in records:
            partition.waiting += 1
            key = record.key
            if key is not None and (lane := by_key.get(key)):
                lane.records.append(record)
                continue
            lane = _Lane(partition, key, record)
            if key is not None:
                by_key[key] = lane
            partition._new.append(lane)
        self._line_up(partition)
        self._start()

    def close(self, partition: PartitionLanes) -> None:
        """Starts no more records of this partition; those in flight go on."""
        partition._closed = True
        partition._by_key.clear()
        partition.waiting = 0

    def drop(self, partition: PartitionLanes) -> int:
        """Cancels what is in flight and frees its places at once; says how many there were."""
        self.close(partition)
        tasks = list(partition._tasks)
        partition._tasks.clear()
        self.in_flight -= len(tasks)
        for task in tasks:
            task.cancel()
        self._start()
        return len(tasks)

    def hold(self, reason: str) -> None:
        """Starts nothing until this reason is released; what is in flight goes on."""
        self._held.add(reason)

    def release(self, reason: str) -> None:
        """Starts records again, unless there is another reason."""
        self._held.discard(reason)
        self._start()

    def narrow(self, places: int = 0) -> None:
        """Only so many records at once from now on; 0: as many as ever."""
        self._limit = min(places, self._concurrency) or self._concurrency
        self._start()

    def _line_up(self, partition: PartitionLanes) -> None:
        if not partition._in_line and (partition._new or partition._again):
            partition._in_line = True
            self._line.append(partition)

    def _start(self) -> None:
        line = self._line
        while line and self.in_flight < self._limit and not self._held and self._started < _STARTS:
            partition = line.popleft()
            if partition._closed:
                continue
            partition._in_line = False
            lane = partition._next()
            self._line_up(partition)
            partition.waiting -= 1
            self.in_flight += 1
            task = lane.task = asyncio.create_task(self._run(lane, lane.records.popleft()))
            partition._tasks.add(task)
            if not self._started:
                asyncio.get_running_loop().call_soon(self._next_turn)
            self._started += 1

    def _next_turn(self) -> None:
        self._started = 0
        self._start()

    async def _run(self, lane: _Lane, record: Record) -> None:
        partition = lane.partition
        try:
            await partition._run(record)
        finally:
            # A task that is not in the set was dropped: its place is free already.
            if lane.task in partition._tasks:
                partition._tasks.discard(lane.task)
                self.in_flight -= 1
                if not partition._closed:
                    if lane.records:
                        heappush(partition._again, (lane.records[0].offset, lane))
                        self._line_up(partition)
                    elif lane.key is not None:
                        del partition._by_key[lane.key]
                self._start()


class _Lane:
    """The records of one key that wait for their turn; in `_by_key` while one is waiting or in flight."""

    __slots__ = ("key", "partition", "records", "task")

    def __init__(self, partition: PartitionLanes, key: bytes | None, first: Record) -> None:
        self.partition = partition
        self.key = key
        self.records = deque((first,))
        self.task: asyncio.Task[None] | None = None
        """The one in flight."""
