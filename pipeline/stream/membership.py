"""Membership in the group: which partitions are ours, on a thread and with a consumer of its own.

This consumer fetches no records (see `fetcher`), so that its callbacks may take their time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Protocol

from pipeline.stream.assignment import Assignment, Name
from pipeline.stream.calls import Calls
from pipeline.stream.committed import committed
from pipeline.stream.contact import check
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.fetcher import Fetcher
from pipeline.stream.kafka import Consumer, KafkaException, TopicPartition
from pipeline.stream.progress import Progress
from pipeline.stream.thread import on_thread
from pipeline.stream.trouble import Trouble
from pipeline.stream.view import NOBODY, View, proof_of

_WAIT = 0.05
"""Seconds a poll waits for callbacks; calls for this thread wait no longer."""
_CALLBACK = 0.5
"""Seconds the assignment callback may wait for the committed offsets of what it was given."""
_PROBE = 0.2
"""Seconds one look at a partition may take whose offsets are pending in another worker's open transaction."""
_LONGEST_REBUILD = 30.0
"""Seconds between two consumers built because of fatal errors, at most."""


class Listener(Protocol):
    """Who is told. `create` is called on the consumer's thread, all others on the event loop."""

    def create(self, topic: str, partition: int, progress: Progress) -> Assignment:
        """A new assignment."""

    def assigned(self, assignments: Sequence[Assignment], resolving: Sequence[Name]) -> None:
        """These are ours; `resolving` will come when another worker's transaction has ended."""

    def resolved(self, assignment: Assignment, waited: timedelta) -> None:
        """One that was resolving is ours now."""

    def drain(self, assignments: Sequence[Assignment], drained: Future[None]) -> None:
        """These will move: let what is in flight end within the grace period, commit, then set `drained`."""

    def gone(self, assignments: Sequence[Assignment], lost: bool, took: timedelta) -> None:
        """These are not ours any more."""


class Membership:
    """A consumer in the group, and its thread. Calls from elsewhere are made between two polls."""

    def __init__(
        self,
        settings: Mapping[str, str | int | bool],
        topics: Sequence[str],
        listener: Listener,
        fetcher: Fetcher,
        trouble: Trouble,
        *,
        patience: float,
    ) -> None:
        """`patience`: seconds the drain of moving partitions may take before they are let go as they are.

        Raises KafkaException when the library does not take a setting.
        """
        self.view = NOBODY
        self.busy: Callable[[], frozenset[Name]] = frozenset
        """Asks the releaser which partitions are in a transaction whose end is not known. One that was lost and is
        assigned again waits for that end: as the same member of the same generation the broker takes the commit, and
        what was read before it would be wrong."""
        self._settings = dict(settings)
        self._topics = list(topics)
        self._listener = listener
        self._fetcher = fetcher
        self._trouble = trouble
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._calls = Calls()
        self._leaving = False
        self._assignments: dict[Name, Assignment] = {}
        self._resolving: dict[Name, float] = {}
        self._rebuilds = 0
        self._consumer = self._build()

    # --- on the event loop

    async def check(self, complaints: Complaints, within: float) -> None:
        """First contact, before `run`. Raises PipelineError, one line."""
        group = str(self._settings["group.id"])
        await asyncio.to_thread(check, self._consumer, self._topics, group, complaints, within)

    async def run(self) -> None:
        """Joins the group and stays until `leave`. Raises what the thread could not handle."""
        await on_thread("kafka-membership", self._work)

    def leave(self) -> None:
        """Drains, commits and leaves the group; from any thread."""
        self._leaving = True

    async def committed(self, assignments: Sequence[Assignment], within: float) -> dict[Assignment, Progress]:
        """What the group has committed, open transactions waited for. Raises KafkaException."""
        names = {assignment.name: assignment for assignment in assignments}
        found = await self._calls.ask(lambda: committed(self._consumer, names, within))
        return {names[name]: progress for name, progress in found.items()}

    # --- on the thread

    def _work(self) -> None:
        self._subscribe()
        while not self._leaving:
            self._calls.serve(0)
            # Everything is paused: a message can only be an error, or a record on its way when its pause began.
            message = self._consumer.poll(_WAIT)
            if message is not None and (error := message.error()) is not None:
                self._trouble(error)
            self._refresh()
            self._resolve()
            if self._trouble.fatal:
                self._rebuild()
        # Closing runs the revoke callback: drain and last commit.
        self._consumer.close()
        self._let_go(list(self._assignments), lost=True, took=timedelta(0))

    def _build(self) -> Consumer:
        return Consumer({**self._settings, "error_cb": self._trouble}, logger=SILENT)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _refresh(self) -> None:
        """Reads the proof of membership. What is owned moves to others only after a callback has returned, so that a
        newer proof may be used for it; after a loss there is none until the callback has run."""
        proof = proof_of(self._consumer.consumer_group_metadata())
        if proof != self.view.proof:
            self.view = View(proof, self.view.owned)

    def _take(self, known: Mapping[Name, Progress]) -> list[Assignment]:
        fresh = [self._listener.create(*name, progress) for name, progress in known.items()]
        self._assignments.update({one.name: one for one in fresh})
        self.view = View(self.view.proof, frozenset(self._assignments.values()))
        return fresh

    def _resolve(self) -> None:
        """Looks at the partitions that wait until one is still pending; that one is the last to be looked at again."""
        busy = self.busy()
        for name in [name for name in self._resolving if name not in busy]:
            try:
                known = committed(self._consumer, [name], _PROBE)
            except KafkaException:
                self._resolving[name] = self._resolving.pop(name)
                return
            waited = timedelta(seconds=time.monotonic() - self._resolving.pop(name))
            for assignment in self._take(known):
                self._post(self._listener.resolved, assignment, waited)
                self._fetcher.add([assignment])

    # --- callbacks of the consumer: on the thread, inside poll and close

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        for one in given:
            # Any offset: with none librdkafka would ask for the committed ones, and nothing is fetched here.
            one.offset = 0
        consumer.incremental_assign(given)
        if given:
            consumer.pause(given)
        names, busy = [(one.topic, one.partition) for one in given], self.busy()
        settled = [name for name in names if name not in busy]
        try:
            known = committed(consumer, settled, _CALLBACK) if settled else {}
        except KafkaException:
            known = {}
        fresh = self._take(known)
        waiting = [name for name in names if name not in known]
        self._resolving.update(dict.fromkeys(waiting, time.monotonic()))
        self._rebuilds = 0
        self._post(self._listener.assigned, fresh, waiting)
        self._fetcher.add(fresh)

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        began = time.monotonic()
        names = [(one.topic, one.partition) for one in taken]
        moving = [self._assignments[name] for name in names if name in self._assignments]
        self._fetcher.remove(moving)
        drained: Future[None] = Future()
        drained.add_done_callback(lambda _: self._calls.nudge())
        if moving and self._post(self._listener.drain, moving, drained):
            while not drained.done() and (left := began + self._patience - time.monotonic()) > 0:
                self._refresh()
                self._calls.serve(min(left, _WAIT))
        self._let_go(names, lost=False, took=timedelta(seconds=time.monotonic() - began))
        consumer.incremental_unassign(taken)

    def _on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._let_go([(one.topic, one.partition) for one in taken], lost=True, took=timedelta(0))
        consumer.incremental_unassign(taken)

    def _let_go(self, names: Sequence[Name], *, lost: bool, took: timedelta) -> None:
        for name in names:
            self._resolving.pop(name, None)
        gone = [self._assignments.pop(name) for name in names if name in self._assignments]
        self.view = View(self.view.proof, frozenset(self._assignments.values()))
        if gone:
            self._fetcher.remove(gone)
            self._post(self._listener.gone, gone, lost, took)

    def _rebuild(self) -> None:
        """Another consumer in place of one that is of no more use; waits longer each time it is needed again."""
        self._trouble.fatal = False
        self._let_go([*self._assignments, *self._resolving], lost=True, took=timedelta(0))
        self.view = NOBODY
        self._consumer.close()
        until = time.monotonic() + min(_LONGEST_REBUILD, 0.5 * 2.0**self._rebuilds)
        self._rebuilds += 1
        while not self._leaving and (left := until - time.monotonic()) > 0:
            self._calls.serve(min(left, _WAIT))
        self._consumer = self._build()
        self._subscribe()

    def _post(self, function: Callable[..., object], *args: object) -> bool:
        """Runs it on the event loop soon; False when the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True
