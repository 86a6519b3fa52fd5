"""The consumer side: membership in the group, and the one thread that calls the consumer."""

from __future__ import annotations

import asyncio
import threading
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
from pipeline.stream.fetch import Arrival, fetch
from pipeline.stream.kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from pipeline.stream.progress import Progress
from pipeline.stream.view import NOBODY, View, proof_of

_BATCH = 1000
"""Most records taken at once: so many become `Record`s in about 3 ms."""
_WAIT = 0.1
"""Seconds a poll waits for a record; calls for this thread wait no longer."""
_FULL_WAIT = 0.01
"""Seconds between two looks whether there is room again."""
_CALLBACK = 0.5
"""Seconds the assignment callback may wait for the committed offsets of what it was given."""
_PROBE = 0.2
"""Seconds one look at a partition may take whose offsets are pending in another worker's open transaction."""
_LONGEST_REBUILD = 30.0
"""Seconds between two consumers built because of fatal errors, at most."""

_SAME_TROUBLE = 10.0
"""Seconds between two reports of the same error: brokers that are away are tried many times a second."""


class Listener(Protocol):
    """Who is told. `room` and `create` are called on the consumer's thread, all others on the event loop."""

    def room(self, handed: int) -> int:
        """How many records may be fetched, when so many were handed over so far."""

    def create(self, topic: str, partition: int, progress: Progress) -> Assignment:
        """A new assignment."""

    def assigned(self, assignments: Sequence[Assignment], resolving: Sequence[Name]) -> None:
        """These are ours; `resolving` will come when another worker's transaction has ended."""

    def resolved(self, assignment: Assignment, waited: timedelta) -> None:
        """One that was resolving is ours now."""

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Records, in offset order."""

    def drain(self, assignments: Sequence[Assignment], drained: Future[None]) -> None:
        """These will move: let what is in flight end within the grace period, commit, then set `drained`."""

    def gone(self, assignments: Sequence[Assignment], lost: bool, took: timedelta) -> None:
        """These are not ours any more."""

    def trouble(self, reason: str) -> None:
        """Something keeps the consumer from working; it goes on trying."""


class Membership:
    """A consumer and its thread. Calls from elsewhere are made between two polls."""

    def __init__(
        self,
        settings: Mapping[str, str | int | bool],
        topics: Sequence[str],
        complaints: Complaints,
        listener: Listener,
        *,
        patience: float,
    ) -> None:
        """`patience`: seconds the drain of moving partitions may take before they are let go as they are.

        Raises KafkaException when the library does not take a setting.
        """
        self.view = NOBODY
        self.paused = False
        """Nothing is fetched; membership goes on. Set by anyone."""
        self._settings = dict(settings)
        self._topics = list(topics)
        self._complaints = complaints
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._calls = Calls()
        self._leaving = False
        self._handed = 0
        self._assignments: dict[Name, Assignment] = {}
        self._resolving: dict[Name, float] = {}
        self._held_back: set[Name] = set()
        self._ends_seen = 0.0
        self._failures = 0
        self._broken = False
        self._told: dict[int, float] = {}
        self._consumer = self._build()

    # --- on the event loop

    async def check(self, within: float) -> None:
        """First contact, before `run`. Raises PipelineError, one line."""
        group = str(self._settings["group.id"])
        await asyncio.to_thread(check, self._consumer, self._topics, group, self._complaints, within)

    async def run(self) -> None:
        """Joins the group and stays until `leave`. Raises what the thread could not handle."""
        ended: Future[None] = Future()

        def work() -> None:
            try:
                self._work()
                ended.set_result(None)
            except BaseException as error:  # noqa: BLE001  (whoever waits for the future gets it)
                ended.set_exception(error)

        # A daemon: a call that never comes back must not keep the program alive.
        threading.Thread(target=work, name="kafka-consumer", daemon=True).start()
        await asyncio.wrap_future(ended)

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
            self._hold_back()
            self._look_at_ends()
            room = self._listener.room(self._handed)
            if room > 0:
                self._hand_over(fetch(self._consumer, _WAIT, min(room, _BATCH), self._assignments.get, self._trouble))
            else:
                self._calls.serve(_FULL_WAIT)
            self._refresh()
            self._resolve()
            if self._broken:
                self._rebuild()
        # Closing runs the revoke callback: drain and last commit.
        self._consumer.close()
        self._let_go(list(self._assignments), lost=True, took=timedelta(0))

    def _build(self) -> Consumer:
        return Consumer({**self._settings, "error_cb": self._on_error}, logger=SILENT)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _hand_over(self, arrivals: list[Arrival]) -> None:
        if arrivals:
            self._handed += sum(len(arrival.records) for arrival in arrivals)
            self._post(self._listener.arrived, arrivals)

    def _refresh(self) -> None:
        """Reads the proof of membership. What is owned moves to others only after a callback has returned, so that a
        newer proof may be used for it; after a loss there is none until the callback has run."""
        proof = proof_of(self._consumer.consumer_group_metadata())
        if proof != self.view.proof:
            self.view = View(proof, self.view.owned)

    def _own(self) -> None:
        self.view = View(self.view.proof, frozenset(self._assignments.values()))

    def _hold_back(self) -> None:
        """Pauses and resumes partitions as the reasons are now."""
        held = {name for name, one in self._assignments.items() if self.paused or one.reasons} | set(self._resolving)
        if held == self._held_back:
            return
        try:
            if more := [TopicPartition(*name) for name in held - self._held_back]:
                self._consumer.pause(more)
            if fewer := [TopicPartition(*name) for name in self._held_back - held if name in self._assignments]:
                self._consumer.resume(fewer)
        except KafkaException as failure:
            self._trouble(failure.args[0])
            return
        self._held_back = held

    def _look_at_ends(self) -> None:
        """Once a second: where the logs end, as the last fetch said (no request is made)."""
        now = time.monotonic()
        if now - self._ends_seen < 1.0:
            return
        self._ends_seen = now
        for name, assignment in self._assignments.items():
            try:
                end = self._consumer.get_watermark_offsets(TopicPartition(*name), cached=True)[1]
            except KafkaException:
                continue
            if end >= 0:
                assignment.end = end

    def _resolve(self) -> None:
        """Looks at the partitions that wait until one is still pending; that one is the last to be looked at again."""
        for name in list(self._resolving):
            since = self._resolving[name]
            try:
                progress = committed(self._consumer, [name], _PROBE)[name]
                # Nothing that was fetched before is trusted: a record passed over would count as a gap, as finished.
                start = OFFSET_BEGINNING if progress.next is None else progress.next
                self._consumer.seek(TopicPartition(*name, start))
            except KafkaException:
                self._resolving[name] = self._resolving.pop(name)
                return
            del self._resolving[name]
            assignment = self._assignments[name] = self._listener.create(*name, progress)
            self._own()
            self._post(self._listener.resolved, assignment, timedelta(seconds=time.monotonic() - since))

    # --- callbacks of the consumer: on the thread, inside poll, consume and close

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        now = time.monotonic()
        names = [(one.topic, one.partition) for one in given]
        try:
            known = committed(consumer, names, _CALLBACK) if names else {}
        except KafkaException:
            known = {}
        fresh = []
        for one, name in zip(given, names, strict=True):
            progress = known.get(name)
            if progress is None:
                self._resolving[name] = now
                # Any offset, it is paused and sought before it is used: without one librdkafka would look for the
                # committed offsets of all such partitions together, and none could be sought while one is pending.
                one.offset = 0
                continue
            if progress.next is not None:
                one.offset = progress.next
            self._assignments[name] = self._listener.create(*name, progress)
            fresh.append(self._assignments[name])
        consumer.incremental_assign(given)
        waiting = [name for name in names if name in self._resolving]
        if waiting:
            consumer.pause([TopicPartition(*name) for name in waiting])
            self._held_back.update(waiting)
        self._own()
        self._failures = 0
        self._post(self._listener.assigned, fresh, waiting)

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        began = time.monotonic()
        names = [(one.topic, one.partition) for one in taken]
        moving = [self._assignments[name] for name in names if name in self._assignments]
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
        gone = []
        for name in names:
            self._resolving.pop(name, None)
            self._held_back.discard(name)
            if assignment := self._assignments.pop(name, None):
                gone.append(assignment)
        self._own()
        if gone:
            self._post(self._listener.gone, gone, lost, took)

    # --- errors

    def _on_error(self, error: KafkaError) -> None:
        """The library's error callback."""
        self._complaints(error)
        self._trouble(error)

    def _trouble(self, error: KafkaError) -> None:
        self._broken |= error.fatal() or error.code() == KafkaError._FATAL
        now = time.monotonic()
        if now - self._told.get(error.code(), float("-inf")) >= _SAME_TROUBLE:
            self._told[error.code()] = now
            self._post(self._listener.trouble, f"{error.name()}: {error.str()}")

    def _rebuild(self) -> None:
        """Another consumer in place of one that is of no more use; waits longer each time it is needed again."""
        self._broken = False
        self._let_go([*self._assignments, *self._resolving], lost=True, took=timedelta(0))
        self.view = NOBODY
        self._consumer.close()
        until = time.monotonic() + min(_LONGEST_REBUILD, 0.5 * 2.0**self._failures)
        self._failures += 1
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
