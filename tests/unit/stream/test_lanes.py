"""Lanes: order within a key, none between keys, never more at once than asked for."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.stream.lanes import Lanes, PartitionLanes
from pipeline.stream.record import Record


def record(offset: int, key: bytes | None) -> Record:
    return Record("t", 0, offset, 0, key, b"")


KEYS = st.sampled_from([b"a", b"b", b"c", b"d", None])


class Workshop:
    """Runs records for as many loop turns as each is told, and writes down what happened."""

    def __init__(self, turns: list[int], concurrency: int) -> None:
        self.turns = turns
        self.lanes = Lanes(concurrency)
        self.running: dict[bytes | None, int] = defaultdict(int)
        self.most = 0
        self.order: dict[bytes | None, list[int]] = defaultdict(list)
        self.overlapped = False

    async def work(self, one: Record) -> None:
        self.running[one.key] += 1
        self.overlapped |= one.key is not None and self.running[one.key] > 1
        self.most = max(self.most, sum(self.running.values()))
        self.order[one.key].append(one.offset)
        for _ in range(self.turns[one.offset]):
            await asyncio.sleep(0)
        self.running[one.key] -= 1


async def settle(lanes: Lanes, partition: PartitionLanes) -> None:
    await until(lambda: not lanes.in_flight and not partition.waiting)


async def until(condition: Callable[[], bool]) -> None:
    """Turns the event loop, as often as it takes."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.integers(0, 5)), max_size=40), st.integers(1, 6), st.integers(1, 10))
def test_each_key_in_order_one_at_a_time_and_no_more_at_once_than_asked_for(
    plan: list[tuple[bytes | None, int]], concurrency: int, batch: int
) -> None:
    async def go() -> None:
        shop = Workshop([turns for _, turns in plan], concurrency)
        partition = PartitionLanes(shop.work)
        records = [record(offset, key) for offset, (key, _) in enumerate(plan)]
        for start in range(0, len(records), batch):
            shop.lanes.admit(partition, records[start : start + batch])
            await asyncio.sleep(0)
        await settle(shop.lanes, partition)
        assert sorted(itertools.chain.from_iterable(shop.order.values())) == list(range(len(plan)))
        assert all(order == sorted(order) for key, order in shop.order.items() if key is not None)
        assert not shop.overlapped
        assert shop.most <= concurrency

    asyncio.run(go())


async def test_a_stuck_key_holds_nothing_but_itself() -> None:
    stuck, done = asyncio.Event(), []

    async def work(one: Record) -> None:
        if one.key == b"slow":
            await stuck.wait()
        done.append(one.offset)

    lanes, partition = Lanes(2), PartitionLanes(work)
    lanes.admit(partition, [record(0, b"slow"), record(1, b"slow"), *(record(n, b"%d" % n) for n in range(2, 50))])
    await until(lambda: len(done) == 48)
    assert sorted(done) == list(range(2, 50))
    stuck.set()
    await settle(lanes, partition)
    assert done[-2:] == [0, 1]


async def test_first_come_first_served_also_behind_a_record_of_the_same_key() -> None:
    started: list[int] = []

    async def work(one: Record) -> None:
        started.append(one.offset)
        await asyncio.sleep(0)

    lanes, partition = Lanes(2), PartitionLanes(work)
    busy = [record(0, b"busy"), record(1, b"busy"), record(2, b"busy")]
    lanes.admit(partition, [*busy, *(record(n, b"%d" % n) for n in range(3, 30))])
    await settle(lanes, partition)
    assert started.index(2) < 6


async def test_a_partition_that_comes_late_does_not_wait_for_the_backlog_of_another() -> None:
    started: list[bytes | None] = []

    async def work(one: Record) -> None:
        started.append(one.key)
        await asyncio.sleep(0)

    lanes, early, late = Lanes(2), PartitionLanes(work), PartitionLanes(work)
    lanes.admit(early, [record(n, b"early %d" % n) for n in range(50)])
    lanes.admit(late, [record(n, b"late %d" % n) for n in range(5)])
    await until(lambda: not lanes.in_flight and not early.waiting and not late.waiting)
    assert started.index(b"late 4") < 15


async def test_records_without_a_key_do_not_wait_for_each_other() -> None:
    gate = asyncio.Event()

    async def work(_: Record) -> None:
        await gate.wait()

    lanes, partition = Lanes(10), PartitionLanes(work)
    lanes.admit(partition, [record(n, None) for n in range(5)])
    assert lanes.in_flight == 5
    gate.set()
    await settle(lanes, partition)


async def test_a_closed_partition_starts_nothing_more_and_lets_what_runs_end() -> None:
    gate, started = asyncio.Event(), []

    async def work(one: Record) -> None:
        started.append(one.offset)
        await gate.wait()

    lanes, partition = Lanes(2), PartitionLanes(work)
    lanes.admit(partition, [record(n, b"%d" % (n % 2)) for n in range(6)])
    await asyncio.sleep(0)
    lanes.close(partition)
    gate.set()
    await settle(lanes, partition)
    assert started == [0, 1]


async def test_a_dropped_partition_frees_its_places_at_once_even_for_work_that_never_began() -> None:
    async def work(_: Record) -> None:
        await asyncio.sleep(3600)

    lanes, gone, other = Lanes(2), PartitionLanes(work), PartitionLanes(work)
    lanes.admit(gone, [record(n, None) for n in range(5)])
    lanes.admit(other, [record(n, None) for n in range(2)])
    assert lanes.drop(gone) == 2
    assert (lanes.in_flight, other.in_flight) == (2, 2)
    assert lanes.drop(other) == 2
    await asyncio.sleep(0)
    assert lanes.in_flight == 0


async def test_held_lanes_start_nothing_until_every_reason_is_released() -> None:
    done = []

    async def work(one: Record) -> None:
        done.append(one.offset)

    lanes, partition = Lanes(2), PartitionLanes(work)
    lanes.hold("stopping")
    lanes.hold("paused")
    lanes.admit(partition, [record(0, b"a")])
    lanes.release("paused")
    await asyncio.sleep(0)
    assert (lanes.in_flight, partition.waiting) == (0, 1)
    lanes.release("stopping")
    await settle(lanes, partition)
    assert done == [0]


async def test_an_answer_is_read_while_a_burst_of_records_is_still_starting() -> None:
    answered, started = asyncio.Event(), []

    async def work(one: Record) -> None:
        started.append(one.offset)
        if one.offset == 0:
            asyncio.get_running_loop().call_soon(answered.set)
        await asyncio.sleep(0)

    lanes, partition = Lanes(1000), PartitionLanes(work)
    lanes.admit(partition, [record(n, None) for n in range(1000)])
    await answered.wait()
    assert len(started) < 50
    await settle(lanes, partition)
    assert sorted(started) == list(range(1000))
