"""Intake: what is held stays bounded, a stuck partition does not stop the others, a doubted worker starts nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pipeline.stream.assignment import Assignment, Phase
from pipeline.stream.fetcher import Arrival
from pipeline.stream.intake import Intake, oldest_arrival
from pipeline.stream.observer import Silent, guarded
from pipeline.stream.policy import EnginePolicy
from pipeline.stream.progress import Progress
from pipeline.stream.record import Output, Record


@dataclass
class Gate:
    """Lets records through when their partition is open."""

    stuck: set[int] = field(default_factory=set)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def process(self, record: Record) -> Sequence[Output]:
        if record.partition in self.stuck:
            await self.opened.wait()
        if record.value == b"poison":
            raise ValueError("poison")
        return ()

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        return (Output("dead", None, str(error).encode()),)

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        return ()


class House:
    """An intake with its partitions, without a broker: what is finished is committed when the test says so."""

    def __init__(self, gate: Gate, policy: EnginePolicy, partitions: int) -> None:
        self.failures: list[BaseException] = []
        self.intake = Intake(gate, policy, Silent(), self.failures.append)
        self.parts = [self.intake.create("t", number, Progress(0)) for number in range(partitions)]
        self.intake.assigned(self.parts, [])
        self.handed = 0

    def bring(self, part: Assignment, count: int, value: bytes = b"x" * 10) -> None:
        start = part.progress.next or 0
        records = [Record("t", part.partition, start + n, 0, b"%d" % n, value) for n in range(count)]
        self.handed += count
        self.intake.arrived([Arrival(part, records)])

    def room(self) -> int:
        return self.intake.room(self.handed)

    async def finish(self, part: Assignment, count: int) -> None:
        for _ in range(1000):
            if len(part.finished) >= count:
                break
            await asyncio.sleep(0)
        assert len(part.finished) >= count
        done, part.finished, part.dirty = part.finished, [], False
        self.intake.settle(part, done)


POLICY = EnginePolicy(concurrency=1000, backlog=100, backlog_bytes=10_000, grace=timedelta(seconds=5))


async def test_room_is_what_the_backlog_leaves_and_comes_back_with_the_commit() -> None:
    house = House(Gate(), POLICY, 2)
    house.bring(house.parts[0], 60)
    assert house.room() == 40
    await house.finish(house.parts[0], 60)
    assert (house.room(), house.intake.held, house.intake.records_committed) == (100, 0, 60)


async def test_records_on_their_way_to_the_event_loop_take_room_already() -> None:
    house = House(Gate(), POLICY, 1)
    assert house.intake.room(30) == 70


async def test_large_records_fill_the_backlog_by_their_size() -> None:
    house = House(Gate({0}), POLICY, 1)
    house.bring(house.parts[0], 10, b"x" * 1000)
    assert house.room() == 0


async def test_a_stuck_partition_is_paused_when_the_backlog_is_full_and_the_others_go_on() -> None:
    gate = Gate({0})
    house = House(gate, POLICY, 4)
    stuck, free = house.parts[:2]
    house.bring(stuck, 100)
    assert house.room() == 0
    house.intake.balance(1e9)
    house.intake.balance(1e9 + 1)
    assert (stuck.reasons, free.reasons) == ({"backlog"}, set())
    assert house.room() > 0
    house.bring(free, 25)
    await house.finish(free, 25)
    gate.opened.set()
    await house.finish(stuck, 100)
    assert (stuck.reasons, house.room()) == (set(), 100)


async def test_a_partition_is_paused_before_its_state_gets_too_long_to_commit_and_goes_on_later() -> None:
    house = House(Gate(), POLICY, 1)
    (part,) = house.parts
    seen = []
    for size in (2999, 3001, 2500, 2099):
        house.intake.weigh(part, size)
        seen.append(set(part.reasons))
    assert seen == [set(), {"metadata"}, {"metadata"}, set()]


async def test_a_partition_is_paused_when_its_first_unfinished_record_is_too_far_behind() -> None:
    house = House(Gate({0}), EnginePolicy(window=50), 1)
    (part,) = house.parts
    house.bring(part, 51)
    house.intake.weigh(part, 0)
    assert part.reasons == {"window"}
    house.intake.weigh(part, 5000)
    assert part.reasons == {"window", "metadata"}


async def test_a_moment_of_fullness_pauses_nothing() -> None:
    house = House(Gate({0}), POLICY, 2)
    house.bring(house.parts[0], 100)
    assert not house.parts[0].reasons


async def test_a_lost_partition_frees_its_room_and_its_late_results_count_for_nothing() -> None:
    gate = Gate({0})
    house = House(gate, POLICY, 2)
    gone = house.parts[0]
    house.bring(gone, 50)
    for _ in range(10):
        await asyncio.sleep(0)
    house.intake.gone([gone], True, timedelta(0))
    assert (house.room(), house.intake.repeated, gone.phase) == (100, 50, Phase.GONE)
    house.bring(gone, 5)
    gate.opened.set()
    await asyncio.sleep(0.01)
    assert (house.room(), gone.finished) == (100, [])


async def test_a_record_finished_by_an_earlier_owner_is_committed_and_not_processed() -> None:
    house = House(Gate(), POLICY, 1)
    part = house.intake.create("t", 7, Progress(0, b"\x02"))
    house.intake.assigned([part], [])
    house.bring(part, 3)
    await house.finish(part, 2)
    assert (house.room(), part.progress.prefix, house.intake.records_committed) == (100, 3, 2)


async def test_a_drain_waits_for_what_is_in_flight_and_committed_but_starts_nothing() -> None:
    gate = Gate({0})
    house = House(gate, EnginePolicy(concurrency=1, backlog=100), 1)
    (part,) = house.parts
    house.bring(part, 3)
    await asyncio.sleep(0)
    drained: Future[None] = Future()
    house.intake.is_settled = lambda one: not one.dirty
    house.intake.drain([part], drained)
    await asyncio.sleep(0.01)
    assert not drained.done()
    gate.opened.set()
    await house.finish(part, 1)
    await asyncio.sleep(0.01)
    assert drained.done()
    assert (part.progress.prefix, house.intake.repeated) == (1, 0)


async def test_a_drain_ends_when_the_group_does_not_know_this_member_any_more() -> None:
    house = House(Gate(), POLICY, 2)
    house.intake.is_settled = lambda _: False
    drained: Future[None] = Future()
    house.intake.drain(house.parts[:1], drained)
    await asyncio.sleep(0.01)
    assert not drained.done()
    house.intake.expelled()
    await asyncio.sleep(0.01)
    assert drained.done()
    assert [part.phase for part in house.parts] == [Phase.GONE, Phase.ACTIVE]


async def test_a_drain_gives_up_what_outlasts_the_grace_period() -> None:
    house = House(Gate({0}), EnginePolicy(grace=timedelta(0)), 1)
    house.bring(house.parts[0], 3)
    await asyncio.sleep(0)
    drained: Future[None] = Future()
    house.intake.drain(house.parts, drained)
    await asyncio.wrap_future(drained)
    assert house.intake.repeated == 3


@pytest.mark.parametrize("end", ["commit", "loss", "time"])
async def test_after_a_freeze_nothing_starts_until_it_is_known_what_is_ours(end: str) -> None:
    house = House(Gate(), POLICY, 2)
    house.bring(house.parts[0], 1)
    house.intake.doubt(50.0)
    house.bring(house.parts[1], 5)
    await asyncio.sleep(0.01)
    assert (len(house.parts[0].finished), len(house.parts[1].finished)) == (1, 0)
    if end == "commit":
        await house.finish(house.parts[0], 1)
    elif end == "loss":
        house.intake.gone([house.parts[0]], True, timedelta(0))
    else:
        house.intake.tend(54.0)
    await asyncio.sleep(0.01)
    assert len(house.parts[1].finished) == 5


@pytest.mark.parametrize("end", ["commit", "loss"])
async def test_while_nothing_can_be_committed_no_more_is_called_for_than_may_be_lost(end: str) -> None:
    few = EnginePolicy(concurrency=10, backlog=5000)
    house = House(Gate(), few, 2)
    house.intake.stall.committing_since = lambda: 0.0
    stuck, other = house.parts
    house.bring(stuck, 1000)
    for _ in range(2000):
        await asyncio.sleep(0)
    # Since long ago: as many as may be in flight, and those in flight when it was seen.
    assert 10 <= len(stuck.finished) <= 20
    house.intake.tend(0.0)
    house.bring(other, 5)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not other.finished
    house.intake.stall.committing_since = lambda: None
    if end == "commit":
        await house.finish(stuck, 10)
    else:
        house.intake.gone([stuck], True, timedelta(0))
        house.intake.tend(0.0)
    await house.finish(other, 5)
    await asyncio.sleep(0)


async def test_a_commit_that_only_just_began_holds_up_nothing_until_much_is_uncommitted() -> None:
    house = House(Gate(), EnginePolicy(concurrency=10, backlog=5000), 1)
    house.intake.stall.committing_since = time.monotonic
    house.bring(house.parts[0], 2000)
    for _ in range(4000):
        await asyncio.sleep(0)
    assert 500 <= len(house.parts[0].finished) <= 510


async def test_the_oldest_record_that_waits_is_known() -> None:
    gate = Gate({0})
    house = House(gate, POLICY, 2)
    assert oldest_arrival(house.parts) is None
    house.bring(house.parts[0], 2)
    first = oldest_arrival(house.parts)
    house.bring(house.parts[1], 2)
    await house.finish(house.parts[1], 2)
    assert first is not None
    assert oldest_arrival(house.parts) == first
    gate.opened.set()
    await house.finish(house.parts[0], 2)
    assert oldest_arrival(house.parts) is None


async def test_poison_is_a_dead_letter_and_a_broken_dead_letter_ends_the_engine() -> None:
    class Broken(Gate):
        def failed(self, record: Record, error: Exception) -> Sequence[Output]:
            raise LookupError

    house, broken = House(Gate(), POLICY, 1), House(Broken(), POLICY, 1)
    for one in (house, broken):
        one.bring(one.parts[0], 1, b"poison")
        await asyncio.sleep(0.01)
    assert house.parts[0].finished[0].outputs == (Output("dead", None, b"poison"),)
    assert (len(broken.failures), broken.parts[0].finished) == (1, [])


def test_an_observer_that_raises_disturbs_nothing() -> None:
    class Rude(Silent):
        def aborted(self, reason: str) -> None:
            raise RuntimeError(reason)

    guarded(Rude()).aborted("whatever")


async def test_whoever_watches_is_told_which_partitions_begin_without_an_offset() -> None:
    told: list[object] = []

    class Watching(Silent):
        def begun(self, partitions: Sequence[tuple[str, int]]) -> None:
            told.append(partitions)

    intake = Intake(Gate(), POLICY, Watching(), lambda _: None)
    known, unknown, late = (
        intake.create("t", number, progress) for number, progress in enumerate([Progress(7), Progress(), Progress()])
    )
    intake.assigned([known, unknown], [late.name])
    intake.resolved(late, timedelta(0))
    intake.resolved(known, timedelta(0))
    assert told == [[("t", 1)], [("t", 2)]]


async def test_what_could_not_be_committed_is_tried_again_though_nothing_more_comes() -> None:
    house = House(Gate(), POLICY, 1)
    (part,) = house.parts
    house.bring(part, 1)
    for _ in range(20):
        await asyncio.sleep(0)
    woken: list[bool] = []
    house.intake.wake = lambda **_: woken.append(True)
    house.intake.tend(0.0)
    assert woken == [True]
    part.dirty = False
    house.intake.tend(0.0)
    assert woken == [True]
