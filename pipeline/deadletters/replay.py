"""A replay from plan to outcome: what would go, a canary first, the rest at its pace, what became of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pipeline.deadletters.canary import CanaryPolicy, Verdict, verdict
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Coordinates, Entry, Follower, Index
from pipeline.deadletters.overtaking import Overtaking
from pipeline.deadletters.pace import Pace
from pipeline.deadletters.reading import DeadLetterTopics, in_order
from pipeline.deadletters.sending import MOST_RECORDS, Order, Sender
from pipeline.deadletters.values import Values
from pipeline.vault import Keyring

_CHUNK_RECORDS: Final = 2000
"""Originals read at one go."""
_CHUNK_BYTES: Final = 64 << 20
_LOOK_S: Final = 0.5
"""Between two looks for outcomes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do. `cost_usd` is about what it will cost, `unpriced` how many that leaves out."""

    due: tuple[Entry, ...]
    overtaken: tuple[Entry, ...]
    not_open: int
    lost: int
    """Their originals were too large to keep."""
    cost_usd: Decimal
    unpriced: int
    rate: float
    """Records a second, 0: as fast as Kafka takes them."""

    @property
    def seconds(self) -> float:
        """How long sending takes at that rate."""
        return len(self.due) / self.rate if self.rate else 0.0


@dataclass(slots=True)
class Report:
    """What a replay did so far. `outcomes` is what the topics say of the records it sent."""

    replay_id: str
    due: int
    sent: int = 0
    already: int = 0
    overtaken: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[Status] = field(default_factory=Counter)
    verdict: Verdict | None = None
    """Of the canary, where there was one."""
    interrupted: bool = False

    @property
    def settled(self) -> int:
        """Records that came out, one way or the other."""
        return sum(self.outcomes.values()) - self.outcomes[Status.REPLAYING]

    @property
    def complete(self) -> bool:
        """Everything that could go went."""
        return not self.interrupted and self.verdict in (None, Verdict.GO)


Told = Callable[[Report], None]


class Replayer:
    """Plans and runs replays. Keeps nothing between two calls: one thread may plan while another one runs; of two that
    run the second takes over."""

    def __init__(
        self, topics: DeadLetterTopics, index: Index, follower: Follower, values: Values, keyring: Keyring
    ) -> None:
        self._topics, self._index, self._follower = topics, index, follower
        self._values, self._keyring = values, keyring

    def plan(
        self,
        entries: Sequence[Entry],
        rate: float,
        price: Callable[[Entry], Decimal | None],
        *,
        force: bool = False,
        told: Callable[[int], None] = lambda _: None,
    ) -> Plan:
        """What sending `entries` would do. `force` sends what was overtaken, too, and does not look for it.

        Raises UnavailableError when the audit cannot be read.
        """
        unsent = [entry for entry in entries if entry.status is Status.OPEN]
        kept = [entry for entry in unsent if entry.kept]
        overtaken: list[Entry] = []
        if not force:
            overtaking = Overtaking(self._topics, self._index, kept)
            overtaking.look(told)
            overtaken = [entry for entry in kept if overtaking.overtaken(entry)]
        left = {entry.at for entry in overtaken}
        due = sorted((e for e in kept if e.at not in left), key=lambda e: (e.received_at, e.source_offset, e.at))
        prices = [price(entry) for entry in due]
        return Plan(
            due=tuple(due),
            overtaken=tuple(overtaken),
            not_open=len(entries) - len(unsent),
            lost=len(unsent) - len(kept),
            cost_usd=sum((one for one in prices if one is not None), Decimal(0)),
            unpriced=prices.count(None),
            rate=rate,
        )

    def run(
        self,
        plan: Plan,
        order: Order,
        canary: CanaryPolicy,
        *,
        force: bool = False,
        wait: bool = False,
        stop: threading.Event | None = None,
        told: Told = lambda _: None,
    ) -> Report:
        """Sends what the plan says and is still open; with `wait` until each of it came out. `stop` ends it soon.

        Raises UnavailableError when Kafka is away or another replay took over: what was sent stays sent.
        """
        stop = stop or threading.Event()
        report = Report(order.replay_id, len(plan.due), overtaken=len(plan.overtaken))
        overtaking = None if force else Overtaking(self._topics, self._index, plan.due)
        pace = Pace(order.rate)
        with Sender(self._topics, self._values, self._keyring, order) as sender:
            self._follower.catch_up()
            report.outcomes = self._index.statuses(order.replay_id)
            tried = sum(report.outcomes.values())
            first = 0 if tried >= canary.records or len(plan.due) <= canary.records else canary.records
            for entries in self._portions(plan.due, order.rate, first):
                self._look(report)
                if not self._still_open(entries):
                    # Somebody else did it: no pace to keep for nothing.
                    report.already += len(entries)
                    continue
                if not pace.hold(len(entries), stop):
                    break
                self._send(entries, sender, overtaking, report)
                told(report)
                if first:
                    report.verdict = self._canary(canary, report, tried, stop, told)
                    first = 0
                    if report.verdict is not Verdict.GO:
                        break
        self._look(report)
        report.interrupted = stop.is_set()
        if wait and report.complete:
            self._until(lambda: report.outcomes[Status.REPLAYING] == 0, report, stop, told)
        return report

    def _send(self, entries: Sequence[Entry], sender: Sender, overtaking: Overtaking | None, report: Report) -> None:
        """One portion: looked at again, as others may have done something meanwhile, then sent."""
        self._look(report)
        still = self._still_open(entries)
        go = [entry for entry in entries if entry.at in still]
        report.already += len(entries) - len(go)
        if overtaking is not None:
            overtaking.look()
            late = {entry.at for entry in go if overtaking.overtaken(entry)}
            report.overtaken += len(late)
            go = [entry for entry in go if entry.at not in late]
        edits = self._index.newest_edits([entry.at for entry in go])
        mended = self._values.mended(edits)
        letters = in_order(list(self._topics.letters((entry.at, entry.status) for entry in go)))
        sender.send(letters, mended)
        report.sent, report.refused = sender.sent.records, sender.sent.refused

    def _still_open(self, entries: Sequence[Entry]) -> set[Coordinates]:
        return {entry.at for entry in self._index.select(Filter(ids=[str(e.at) for e in entries])) if _open(entry)}

    def _canary(self, policy: CanaryPolicy, report: Report, before: int, stop: threading.Event, told: Told) -> Verdict:
        began = time.monotonic()
        found = Verdict.WAIT

        def decided() -> bool:
            nonlocal found
            found = verdict(policy, report.outcomes, before + report.sent, time.monotonic() - began)
            return found is not Verdict.WAIT

        self._until(decided, report, stop, told)
        return found

    def _until(self, reached: Callable[[], bool], report: Report, stop: threading.Event, told: Told) -> None:
        """Looks for outcomes until it is reached or stopped."""
        while True:
            self._look(report)
            told(report)
            if reached() or stop.wait(_LOOK_S):
                return

    def _look(self, report: Report) -> None:
        self._follower.catch_up()
        report.outcomes = self._index.statuses(report.replay_id)

    @staticmethod
    def _portions(due: Sequence[Entry], rate: float, first: int) -> Iterator[Sequence[Entry]]:
        """The canary, then portions that are small at a low rate and never too much to hold."""
        most = min(MOST_RECORDS, max(1, int(rate))) if rate else _CHUNK_RECORDS
        if first:
            yield due[:first]
        portion: list[Entry] = []
        size = 0
        for entry in due[first:]:
            if portion and (len(portion) == most or size + entry.size > _CHUNK_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(entry)
            size += entry.size
        if portion:
            yield portion


def _open(entry: Entry) -> bool:
    return entry.status is Status.OPEN
