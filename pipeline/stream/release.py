"""Commits what is finished, one transaction after the other."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from pipeline.errors import UnavailableError
from pipeline.stream.assignment import Assignment, Finished, Name, Phase
from pipeline.stream.cadence import Cadence, CadencePolicy
from pipeline.stream.kafka import KafkaException
from pipeline.stream.observer import Observer
from pipeline.stream.outbox import Outbox, Refusal, Share
from pipeline.stream.policy import EnginePolicy
from pipeline.stream.producer import TransactionalProducer
from pipeline.stream.progress import Progress
from pipeline.stream.record import Processor
from pipeline.stream.transaction import Outcome, Result
from pipeline.stream.view import View

_MOST_REFUSALS = 5
"""Outputs of one record refused before the engine stops: its dead letter cannot be written either."""
_ASK = 1.0
"""Seconds one question for the committed offsets may take."""
_ASK_AGAIN = 0.05
"""Seconds between two such questions."""

_LOST_END = (
    "what was committed last is still not known: brokers that do not answer, or that died together and lost the end of "
    'that transaction; see "All brokers died at once" in docs/operations.md'
)


class Group(Protocol):
    """What a release needs of the consumer side."""

    @property
    def view(self) -> View:
        """Proof of membership and what is owned."""

    async def committed(self, assignments: Sequence[Assignment], within: float) -> Mapping[Assignment, Progress]:
        """What the group has committed, open transactions waited for. Raises KafkaException."""


class Releaser:
    """Commits the finished records of all assignments. Everything here runs on the event loop."""

    def __init__(
        self,
        settings: Mapping[str, str | int | bool],
        policy: EnginePolicy,
        group: Group,
        assignments: Callable[[], Iterable[Assignment]],
        processor: Processor,
        observer: Observer,
        settled: Callable[[Assignment, Sequence[Finished]], None],
        weigh: Callable[[Assignment, int], None],
        expelled: Callable[[], None],
    ) -> None:
        """`settled` is told which finished records of an assignment are committed, `weigh` how long its commit
        metadata is; `expelled` is called when the group does not know this member any more.

        Raises KafkaException when the library does not take a setting.
        """
        self._settings = settings
        self._start_timeout = policy.start_timeout.total_seconds()
        self._group = group
        self._processor = processor
        self._observer = observer
        self._settled = settled
        self._expelled = expelled
        self._outbox = Outbox(assignments, weigh)
        self._patience = policy.transaction_timeout.total_seconds()
        self._cadence = Cadence(CadencePolicy(longest=policy.commit_interval.total_seconds()))
        self._producer = TransactionalProducer(settings)
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._culprits = 0
        self.is_settled = self._outbox.is_settled
        """Whether all that is finished of an assignment is committed."""
        self.busy: frozenset[Name] = frozenset()
        """Partitions that may be in a transaction whose end is not known; read by any thread."""
        self.committing_since: float | None = None
        """When it began to commit what is not committed yet (monotonic seconds)."""
        self.transactions = 0
        self.aborted = 0
        self.rebuilds = 0

    async def open(self) -> None:
        """First contact of the producer: what a predecessor left open is ended. Raises KafkaException, TimeoutError."""
        await self._producer.init(self._start_timeout)

    async def run(self) -> None:
        """Releases until it is cancelled.

        Raises UnavailableError when Kafka takes neither the output nor the dead letter of a record.
        """
        while True:
            await self._due()
            await self._ask_about_unsure()
            # Before the view is read: whoever is assigned one of these again after that view sees it.
            self.busy = self._outbox.dirty()
            # Proof and partitions of one moment: see `View`.
            view = self._group.view
            if shares := self._outbox.take(view):
                await self._release(shares, view)
            self.busy = frozenset()

    def close(self) -> None:
        """Gives up the producer."""
        self._producer.give_up()

    def wake(self, *, hurry: bool = False) -> None:
        """There is something to release; `hurry` when a partition is about to move."""
        self._work.set()
        if hurry:
            self._hurry.set()

    async def _due(self) -> None:
        """Waits until there is work and its time has come."""
        await self._work.wait()
        while (delay := self._cadence.due(hurry=self._hurry.is_set()) - time.monotonic()) > 0:
            if self._hurry.is_set():
                await asyncio.sleep(delay)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._hurry.wait()
        self._work.clear()
        self._hurry.clear()

    async def _release(self, shares: tuple[Share, ...], view: View) -> None:
        began = time.monotonic()
        self._cadence.began(began)
        if self.committing_since is None:
            self.committing_since = began
        if view.proof is None:
            result = Result(Outcome.ABORTED, "not a member of the group at present")
        else:
            result = await self._producer.commit(shares, view.proof, self._patience)
        now = time.monotonic()
        if result.outcome is Outcome.COMMITTED:
            self._cadence.committed(now)
            self.committing_since = None
            await self._committed(timedelta(seconds=now - began))
        else:
            self._cadence.failed(now)
            await self._failed(shares, result)

    async def _committed(self, took: timedelta) -> None:
        records = outputs = 0
        for share in self._outbox.committed():
            records += len(share.finished)
            outputs += sum(len(finished.outputs) for finished in share.finished)
            self._settled(share.assignment, share.finished)
        self.transactions += 1
        self._observer.committed(records, outputs, took)
        if self._producer.careful and self._culprits:
            # Without a culprit, requests as such are too large for the topic: then it stays careful.
            await self._rebuild("every refused output is replaced", careful=False)

    async def _failed(self, shares: tuple[Share, ...], result: Result) -> None:
        self._outbox.give_back(unsure=result.outcome is Outcome.UNKNOWN)
        self.wake(hurry=any(share.assignment.phase is Phase.DRAINING for share in shares))
        for refusal in result.refusals:
            self._replace(refusal)
        self.aborted += 1
        self._observer.aborted(result.reason)
        if result.expelled:
            self._expelled()
        if result.outcome is Outcome.UNKNOWN:
            await self._rebuild(result.reason, careful=self._producer.careful)
        elif result.crowded and not self._producer.careful:
            self._culprits = 0
            await self._rebuild(result.reason, careful=True)

    def _replace(self, refusal: Refusal) -> None:
        self._culprits += 1
        record, finished = refusal.finished.record, refusal.finished
        self._observer.refused(record, refusal.output, refusal.reason)
        if finished.refusals >= _MOST_REFUSALS:
            raise UnavailableError(
                f"{record.topic}[{record.partition}] offset {record.offset}: Kafka takes neither its output nor its "
                f"dead letter ({refusal.reason} for {refusal.output.topic}): compare max.message.bytes of these topics "
                "with topics/*.yaml; the record is not committed"
            )
        outputs = tuple(self._processor.refused(record, finished.outputs, refusal.output, refusal.reason))
        self._outbox.replace(refusal, outputs)

    async def _rebuild(self, reason: str, *, careful: bool) -> None:
        """Another producer in place of this one: its start ends and fences what the old one left."""
        self.rebuilds += 1
        self._observer.abandoned(reason)
        waits = itertools.chain((0.05, 0.1, 0.2, 0.5), itertools.repeat(1.0))
        usable = False
        while True:
            if not usable:
                self._producer.give_up()
                self._producer = TransactionalProducer(self._settings, careful=careful)
            try:
                await self._producer.init(self._patience)
                return
            except TimeoutError:
                usable = False
                self._observer.trouble("the producer did not come back")
            except KafkaException as failure:
                # A start that only took too long goes on where it was.
                usable = failure.args[0].retriable()
                self._observer.trouble(_text(failure))
            await asyncio.sleep(next(waits))

    async def _ask_about_unsure(self) -> None:
        """After a transaction of unknown fate, and the fence of its producer: the broker says what it has."""
        since = time.monotonic()
        while unsure := self._outbox.unsure():
            try:
                found = await self._group.committed(unsure, _ASK)
            except KafkaException as failure:
                lost = time.monotonic() - since > 2 * self._patience
                self._observer.trouble(_LOST_END if lost else _text(failure))
                await asyncio.sleep(_ASK_AGAIN)
                continue
            for assignment, known in found.items():
                if assignment.phase is not Phase.GONE:
                    self._settled(assignment, self._outbox.reconcile(assignment, known))


def _text(failure: KafkaException) -> str:
    return f"{failure.args[0].name()}: {failure.args[0].str()}"
