"""The engine's bookkeeping under crashes at every step, against a broker that is obviously right.

The product's own `Progress`, `Outbox`, `View` and commit metadata run in workers that are killed, frozen, expelled and
fenced between any two steps of a transaction, whose replies get lost, and whose partitions move. After every step the
visible outputs and the committed state must say the same, each input at most once and each key in order; at the end,
each input exactly once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pipeline.stream.assignment import Assignment, Finished, Phase
from pipeline.stream.metadata import decode, encode
from pipeline.stream.outbox import Outbox, Share
from pipeline.stream.progress import Progress
from pipeline.stream.record import Record
from pipeline.stream.view import NOBODY, View

PARTITIONS = 3
SLOTS = 3

KEYS = (b"a", b"b", None)
GAPS = (0, 0, 0, 1, 9)
"""Offsets without a record before one: transaction markers, compaction."""

Place = tuple[int, int]
"""Partition and offset."""


class RefusedError(Exception):
    """Of the offsets: the member or its generation is not the present one. The transaction can be aborted."""


class FencedError(Exception):
    """The producer is not the newest one with its transactional id."""


class PendingError(Exception):
    """Offsets of the partition are part of an open transaction."""


@dataclass
class Transaction:
    """An open one."""

    outputs: list[Place]
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)


class Broker:
    """What Kafka guarantees, in the simplest form that does."""

    def __init__(self) -> None:
        self.log: dict[int, list[Record]] = defaultdict(list)
        self.end: dict[int, int] = defaultdict(int)
        self.visible: list[Place] = []
        self.committed: dict[int, tuple[int, str]] = {}
        self.epochs: dict[int, int] = defaultdict(int)
        self.open: dict[int, Transaction] = {}
        self.generation = 1
        self.owners: dict[int, int] = {}
        """Partition to member."""

    def publish(self, partition: int, key: bytes | None, gap: int) -> None:
        offset = self.end[partition] + gap
        self.log[partition].append(Record("t", partition, offset, 0, key, b""))
        self.end[partition] = offset + 1

    def init(self, slot: int) -> int:
        """A new producer: what the old one left is aborted, and it is fenced. Returns the epoch."""
        self.open.pop(slot, None)
        self.epochs[slot] += 1
        return self.epochs[slot]

    def begin(self, slot: int, epoch: int, outputs: list[Place]) -> None:
        self._fence(slot, epoch)
        self.open[slot] = Transaction(outputs)

    def send_offsets(
        self, slot: int, epoch: int, proof: bytes | None, members: set[int], offsets: dict[int, tuple[int, str]]
    ) -> None:
        self._fence(slot, epoch)
        assert proof is not None, "a commit without a member would not be fenced"
        member, generation = map(int, proof.split(b":"))
        if member not in members or generation != self.generation:
            raise RefusedError
        self.open[slot].offsets |= offsets

    def commit(self, slot: int, epoch: int) -> None:
        self._fence(slot, epoch)
        done = self.open.pop(slot)
        self.visible += done.outputs
        self.committed |= done.offsets

    def abort(self, slot: int, epoch: int) -> None:
        self._fence(slot, epoch)
        self.open.pop(slot, None)

    def read(self, partition: int) -> Progress:
        """What is committed, as a read-committed reader learns it."""
        if any(partition in one.offsets for one in self.open.values()):
            raise PendingError
        if partition not in self.committed:
            return Progress()
        offset, text = self.committed[partition]
        return Progress(offset, decode(text))

    def _fence(self, slot: int, epoch: int) -> None:
        if self.epochs[slot] != epoch:
            raise FencedError


class Stage(Enum):
    """Where a worker is in its transaction."""

    NONE = auto()
    BEGUN = auto()
    OFFSETS_SENT = auto()
    BROKEN = auto()
    """Its fate is unknown: the producer must be built again."""


async def nothing(_: Assignment, __: Record) -> None:
    """What lanes would run; here the test says what ends."""


class Worker:
    """A process: the product's bookkeeping, and the broker's clients in their simplest form."""

    def __init__(self, broker: Broker, slot: int, member: int) -> None:
        self.broker, self.slot, self.member = broker, slot, member
        self.epoch = broker.init(slot)
        self.generation = 0
        self.assignments: dict[int, Assignment] = {}
        self.resolving: set[int] = set()
        self.going: list[int] = []
        self.in_flight: dict[Assignment, list[Record]] = defaultdict(list)
        self.view = NOBODY
        self.outbox = Outbox(lambda: list(self.assignments.values()), lambda *_: None)
        self.stage = Stage.NONE
        self.shares: tuple[Share, ...] = ()
        self.used = NOBODY

    # --- the consumer

    def assign(self, partitions: list[int]) -> None:
        self.hear()
        for partition in partitions:
            self.resolving.add(partition)
            self.resolve(partition)

    def busy(self) -> set[int]:
        """Partitions in a transaction whose end is not known."""
        return set() if self.stage is Stage.NONE else {share.assignment.partition for share in self.shares}

    def resolve(self, partition: int) -> None:
        if partition in self.busy():
            return
        try:
            progress = self.broker.read(partition)
        except PendingError:
            return
        self.resolving.discard(partition)
        assignment = self.assignments[partition] = Assignment("t", partition, progress, nothing)
        self.view = View(self.view.proof, self.view.owned | {assignment})

    def refresh(self) -> None:
        self.generation = self.broker.generation
        self.view = View(b"%d:%d" % (self.member, self.generation), self.view.owned)

    def let_go(self, partitions: list[int]) -> None:
        """On the consumer's thread: from now on they are not in the view. The event loop hears of it later."""
        self.going += partitions
        gone = {self.assignments.get(partition) for partition in self.going}
        self.view = View(self.view.proof, self.view.owned - gone)

    def hear(self) -> None:
        """On the event loop."""
        partitions, self.going = self.going, []
        for partition in partitions:
            self.resolving.discard(partition)
            if gone := self.assignments.pop(partition, None):
                gone.phase = Phase.GONE
                gone.finished, gone.dirty, gone.unsure = [], False, False
                self.in_flight.pop(gone, None)

    def fetch(self, partition: int, most: int) -> None:
        assignment = self.assignments[partition]
        start = assignment.progress.next
        waiting = [one for one in self.broker.log[partition] if start is None or one.offset >= start]
        for record in waiting[:most]:
            if assignment.progress.fetched(record.offset):
                self.in_flight[assignment].append(record)
            else:
                assignment.dirty = True
        if len(waiting) <= most:
            assignment.progress.reached(self.broker.end[partition])

    def heads(self) -> list[tuple[Assignment, Record]]:
        """Records that may end now: the first of each key."""
        found = []
        for assignment, records in self.in_flight.items():
            seen: set[bytes] = set()
            for record in records:
                if record.key is None or record.key not in seen:
                    found.append((assignment, record))
                if record.key is not None:
                    seen.add(record.key)
        return found

    def finish(self, assignment: Assignment, record: Record) -> None:
        self.in_flight[assignment].remove(record)
        assignment.progress.finish(record.offset)
        assignment.finished.append(Finished(record, ()))
        assignment.dirty = True

    # --- the producer, one step at a time

    def step(self, members: set[int], *, reply: bool = True, arrives: bool = True) -> None:
        """The next step of its transaction; `reply` and `arrives`: whether it learns of it, and whether it happens."""
        try:
            if self.stage is Stage.BROKEN:
                self.rebuild()
            elif self.stage is Stage.NONE:
                self.begin()
            elif self.stage is Stage.BEGUN:
                self.send(members)
            else:
                self.end(reply=reply, arrives=arrives)
        except RefusedError:
            self.broker.abort(self.slot, self.epoch)
            self.outbox.give_back(unsure=False)
            self.stage = Stage.NONE
        except FencedError:
            self.lose_track()

    def begin(self) -> None:
        self.used = self.view
        if self.outbox.unsure():
            self.reconcile()
            return
        self.shares = self.outbox.take(self.used)
        if not self.shares:
            return
        if self.used.proof is None:
            self.outbox.give_back(unsure=False)
            return
        self.stage = Stage.BEGUN
        outputs = [(share.assignment.partition, one.record.offset) for share in self.shares for one in share.finished]
        self.broker.begin(self.slot, self.epoch, outputs)

    def send(self, members: set[int]) -> None:
        offsets = {share.assignment.partition: (share.offset, share.metadata) for share in self.shares}
        self.broker.send_offsets(self.slot, self.epoch, self.used.proof, members, offsets)
        self.stage = Stage.OFFSETS_SENT

    def end(self, *, reply: bool, arrives: bool) -> None:
        if arrives:
            self.broker.commit(self.slot, self.epoch)
        if not reply or not arrives:
            self.lose_track()
            return
        self.outbox.committed()
        self.stage = Stage.NONE

    def lose_track(self) -> None:
        self.outbox.give_back(unsure=True)
        self.stage = Stage.BROKEN

    def rebuild(self) -> None:
        self.epoch = self.broker.init(self.slot)
        self.stage = Stage.NONE
        self.reconcile()

    def reconcile(self) -> None:
        for assignment in self.outbox.unsure():
            try:
                self.outbox.reconcile(assignment, self.broker.read(assignment.partition))
            except PendingError:
                continue


class Campaign:
    """A group of workers, and everything that may happen to it. Every choice is the dice's."""

    def __init__(self, dice: random.Random) -> None:
        self.broker = Broker()
        self.workers: list[Worker] = []
        """Alive, though the group may have expelled them."""
        self.members: dict[int, Worker | None] = {}
        """What the group believes in; None: killed, and not missed yet."""
        self.names = 0
        self.publish(dice)
        self.join(dice)

    # --- the group

    def join(self, dice: random.Random) -> None:
        if len(self.workers) == SLOTS:
            return
        slot = min(set(range(SLOTS)) - {worker.slot for worker in self.workers})
        worker = Worker(self.broker, slot, 0)
        self.workers.append(worker)
        self.enter(worker)

    def kill(self, dice: random.Random) -> None:
        if not self.workers:
            return
        worker = dice.choice(self.workers)
        self.workers.remove(worker)
        if worker.member in self.members:
            self.members[worker.member] = None

    def miss_heartbeats(self, dice: random.Random) -> None:
        """A member that was killed is expelled; else one that is frozen, which goes on without knowing it."""
        killed = [name for name, worker in self.members.items() if worker is None]
        if self.members:
            self.expel(dice.choice(killed or sorted(self.members)))

    def learn_of_it(self, dice: random.Random) -> None:
        """Expelled workers hear of it: all is lost, and they join again."""
        for worker in self.workers:
            if worker.member not in self.members:
                worker.let_go(list(range(PARTITIONS)))
                worker.view = NOBODY
                worker.hear()
                self.enter(worker)

    def come_back(self, dice: random.Random) -> None:
        """A member takes its partitions for lost and gets them again, as the same member of the same generation: the
        broker cannot tell what it began before from what it does now."""
        for worker in self.workers:
            if self.members.get(worker.member) is worker:
                partitions = [part for part, owner in self.broker.owners.items() if owner == worker.member]
                worker.let_go(partitions)
                worker.assign(partitions)

    def move(self, dice: random.Random) -> None:
        """The owner's callback runs, with or without time to commit; then the partition is another's."""
        if not self.broker.owners:
            return
        partition = dice.choice(sorted(self.broker.owners))
        worker = self.members[self.broker.owners[partition]]
        if worker is None:
            return
        if (assignment := worker.assignments.get(partition)) and dice.random() < 0.5:
            assignment.phase = Phase.DRAINING
            for _ in range(8):
                worker.step(set(self.members))
        worker.let_go([partition])
        del self.broker.owners[partition]
        self.give_out()

    def enter(self, worker: Worker) -> None:
        self.names += 1
        worker.member = self.names
        self.members[worker.member] = worker
        worker.refresh()
        self.give_out()

    def expel(self, name: int) -> None:
        del self.members[name]
        self.broker.owners = {part: owner for part, owner in self.broker.owners.items() if owner != name}
        self.give_out()

    def give_out(self) -> None:
        """Partitions without an owner go to the live member with the fewest; a new generation."""
        self.broker.generation += 1
        live = {name: worker for name, worker in self.members.items() if worker is not None}
        for worker in live.values():
            worker.refresh()
        for partition in range(PARTITIONS):
            if partition not in self.broker.owners and live:
                owned = list(self.broker.owners.values())
                name = min(live, key=owned.count)
                self.broker.owners[partition] = name
                live[name].assign([partition])

    # --- the work

    def publish(self, dice: random.Random) -> None:
        for _ in range(dice.randrange(30)):
            self.broker.publish(dice.randrange(PARTITIONS), dice.choice(KEYS), dice.choice(GAPS))

    def work(self, dice: random.Random) -> None:
        """Some records come, some end, transactions go on by some steps."""
        for worker in self.workers:
            if dice.random() < 0.8:
                worker.hear()
            for partition in worker.assignments:
                worker.fetch(partition, dice.randrange(6))
            for _ in range(dice.randrange(8)):
                if heads := worker.heads():
                    worker.finish(*dice.choice(heads))
            for _ in range(dice.randrange(4)):
                worker.step(set(self.members))

    def lose_a_reply(self, dice: random.Random) -> None:
        """To a commit that arrived or did not."""
        for worker in self.workers:
            if worker.stage is Stage.OFFSETS_SENT:
                worker.step(set(self.members), reply=False, arrives=dice.random() < 0.5)

    def look_again(self, dice: random.Random) -> None:
        for worker in self.workers:
            for partition in list(worker.resolving):
                worker.resolve(partition)

    def time_out(self, dice: random.Random) -> None:
        """The broker aborts a transaction that stays open for too long, and fences its producer."""
        if self.broker.open:
            self.broker.init(dice.choice(sorted(self.broker.open)))

    # --- what must hold

    def check(self) -> None:
        """Visible once, each key in order; and the committed state says exactly what is visible."""
        visible = self.broker.visible
        assert len(set(visible)) == len(visible)
        keys = {(one.partition, one.offset): one.key for log in self.broker.log.values() for one in log}
        last: dict[tuple[int, bytes], int] = {}
        for partition, offset in visible:
            key = keys[partition, offset]
            if key is not None:
                assert last.get((partition, key), -1) < offset
                last[partition, key] = offset
        for partition, log in self.broker.log.items():
            offset, text = self.broker.committed.get(partition, (0, ""))
            known = Progress(offset, decode(text))
            said = {(partition, one.offset) for one in log if one.offset < offset or known.is_finished(one.offset)}
            assert said == {place for place in visible if place[0] == partition}
            assert encode(known.snapshot()[1]) == text

    def end(self) -> None:
        """Everybody is killed; one new worker must bring the rest out, and nothing twice."""
        self.workers.clear()
        for name in list(self.members):
            self.members[name] = None
        for slot in list(self.broker.open):
            self.broker.init(slot)
        for name in list(self.members):
            self.expel(name)
        self.join(random.Random())
        (worker,) = self.workers
        for partition in range(PARTITIONS):
            worker.fetch(partition, 10_000)
        while heads := worker.heads():
            worker.finish(*heads[-1])
        while any(one.dirty for one in worker.assignments.values()) or worker.stage is not Stage.NONE:
            worker.step({worker.member})
        self.check()
        assert len(self.broker.visible) == sum(map(len, self.broker.log.values()))


FAULTS = (
    "kill",
    "join",
    "miss_heartbeats",
    "learn_of_it",
    "come_back",
    "move",
    "lose_a_reply",
    "look_again",
    "time_out",
    "publish",
)


@pytest.mark.parametrize("seed", range(20))
def test_long_walks_of_work_and_faults(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(10):
        campaign = Campaign(dice)
        for _ in range(dice.randrange(10, 120)):
            campaign.work(dice)
            campaign.check()
            if dice.random() < 0.5:
                getattr(campaign, dice.choice(FAULTS))(dice)
                campaign.check()
        campaign.end()


class Machine(RuleBasedStateMachine):
    """The same, found and shrunk by hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.campaign: Campaign | None = None

    @rule(dice=st.randoms(use_true_random=False), fault=st.sampled_from(("", *FAULTS)))
    def go_on(self, dice: random.Random, fault: str) -> None:
        if self.campaign is None:
            self.campaign = Campaign(dice)
        self.campaign.work(dice)
        if fault:
            getattr(self.campaign, fault)(dice)

    @invariant()
    def exact(self) -> None:
        if self.campaign is not None:
            self.campaign.check()

    def teardown(self) -> None:
        if self.campaign is not None:
            self.campaign.end()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
