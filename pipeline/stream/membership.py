"""The consumer side: membership in the group, and the one thread that calls the consumer."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar, cast

from pipeline.errors import UnavailableError
from pipeline.stream import metadata
from pipeline.stream.assignment import Assignment
from pipeline.stream.kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pipeline.stream.librarylog import LibraryLog
from pipeline.stream.progress import Progress
from pipeline.stream.record import Headers, Record

log = logging.getLogger(__name__)

T = TypeVar("T")
Name = tuple[str, int]
"""Topic and partition number."""

_BATCH = 1000
"""Most records taken at once: so many are turned into `Record`s in about 3 ms."""
_WAIT = 0.1
"""Seconds a poll waits for a record; questions to this thread wait no longer."""
_CALLBACK = 0.5
"""Seconds the assignment callback may wait for the committed offsets of what it was given."""
_PROBE = 0.2
"""Seconds one look at a partition may take whose offsets are pending in another worker's open transaction."""


@dataclass(frozen=True, slots=True)
class View:
    """What this worker is in the group: the proof a commit needs, and the partitions it may be used for.

    Both belong to one moment. A commit made with an older view is either right or refused by the broker, because the
    broker knows a newer generation by then; one made with a newer proof for partitions of an older moment would not be.
    """

    proof: bytes | None
    """The group metadata as librdkafka packs it; None while not a member: the broker takes such a commit unfenced."""
    owned: frozenset[Assignment]


@dataclass(slots=True)
class Arrival:
    """What was fetched of one partition."""

    assignment: Assignment
    records: list[Record]
    end: int | None = None
    """The end of the log, when it was reached behind these records."""


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

    def gone(self, assignments: Sequence[Assignment], *, lost: bool, took: timedelta) -> None:
        """These are not ours any more."""

    def trouble(self, reason: str) -> None:
        """Something keeps the consumer from working; it goes on trying."""


class Membership:
    """A consumer and its thread. Commands from elsewhere are served between two polls."""

    def __init__(
        self,
        settings: Mapping[str, str | int | bool],
        topics: Sequence[str],
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        *,
        patience: float,
    ) -> None:
        """`patience`: seconds the drain of moving partitions may take before they are let go as they are."""
        self.view = View(None, frozenset())
        self.paused = False
        """Nothing is fetched; membership goes on. Set by anyone."""
        self._settings = dict(settings)
        self._topics = list(topics)
        self._listener = listener
        self._loop = loop
        self._patience = patience
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._leaving = False
        self._handed = 0
        self._assignments: dict[Name, Assignment] = {}
        self._resolving: dict[Name, float] = {}
        self._held_back: set[Name] = set()
        self._checked_ends = 0.0
        self._failures = 0
        self._last_error = ""
        self._consumer = self._build()

    # --- from the event loop

    def check(self, timeout: float) -> None:
        """First contact; blocks, and is called before `run`.

        Raises UnavailableError, one line, when the brokers cannot be reached, a topic is missing, or something is not
        allowed.
        """
        group = str(self._settings["group.id"])
        servers = self._settings.get("bootstrap.servers", "")
        try:
            for topic in self._topics:
                self._check_topic(topic, self._consumer.list_topics(topic, timeout=timeout).topics[topic].error)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            self._consumer.poll(0)
            why = self._last_error or error.str()
            raise UnavailableError(f"Kafka at {servers} cannot be reached: {why}") from None
        try:
            self._consumer.committed([TopicPartition(self._topics[0], 0)], timeout=_CALLBACK)
        except KafkaException as failure:
            # Anything else passes: offsets pending in another worker's transaction, a coordinator that moves.
            if failure.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise UnavailableError(f"this user may not read as group {group}: an ACL is missing") from None

    def _check_topic(self, topic: str, error: KafkaError | None) -> None:
        if error is None:
            return
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise UnavailableError(f"topic {topic} does not exist: run `pipeline topics apply`")
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise UnavailableError(f"this user may not read topic {topic}: an ACL is missing")
        if not error.retriable():
            raise KafkaException(error)

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
        found = await self._ask(lambda: self._committed(list(names), within))
        return {names[name]: progress for name, progress in found.items()}

    def _ask(self, question: Callable[[], T]) -> asyncio.Future[T]:
        answer: Future[T] = Future()

        def command() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001  (whoever asked gets it)
                answer.set_exception(error)

        self._commands.put(command)
        return asyncio.wrap_future(answer, loop=self._loop)

    # --- the thread

    def _work(self) -> None:
        self._subscribe()
        while not self._leaving:
            self._serve(0.0)
            self._hold_back()
            self._look_at_ends()
            room = self._listener.room(self._handed)
            if room > 0:
                self._fetch(min(room, _BATCH))
            else:
                self._serve(0.01)
            self._refresh()
            self._resolve()
        # Closing runs the revoke callback: drain and last commit.
        self._consumer.close()
        self._let_go(list(self._assignments), lost=True, took=timedelta(0))

    def _build(self) -> Consumer:
        return Consumer(self._settings | {"error_cb": self._on_error}, logger=LibraryLog(log))

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _serve(self, wait: float) -> None:
        """Commands that wait, and the first one that comes within `wait` seconds."""
        while True:
            try:
                command = self._commands.get(timeout=wait) if wait else self._commands.get_nowait()
            except Empty:
                return
            command()
            wait = 0.0

    def _fetch(self, room: int) -> None:
        """Waits for the first record only, and takes what else is there."""
        arrivals: dict[Name, Arrival] = {}
        first = self._consumer.poll(_WAIT)
        if first is None:
            return
        # Sorted in before the next call: that may run callbacks, after which the partition may be another assignment.
        self._sort(first, arrivals)
        if room > 1:
            for message in self._consumer.consume(room - 1, 0):
                self._sort(message, arrivals)
        if arrivals:
            self._handed += sum(len(arrival.records) for arrival in arrivals.values())
            self._post(self._listener.arrived, list(arrivals.values()))

    def _sort(self, message: Message, arrivals: dict[Name, Arrival]) -> None:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._on_error(error)
            if error.fatal() or error.code() == KafkaError._FATAL:
                self._rebuild()
            return
        name = _name(message)
        arrival = arrivals.get(name)
        if arrival is None:
            assignment = self._assignments.get(name)
            if assignment is None:
                return
            arrival = arrivals[name] = Arrival(assignment, [])
        if error is None:
            arrival.records.append(_record(message))
        else:
            arrival.end = message.offset()

    def _refresh(self) -> None:
        """Reads the proof of membership. What is owned moves to others only after a callback has returned, so that a
        newer proof may be used for it; after a loss there is none until the callback has run."""
        proof = _proof(self._consumer.consumer_group_metadata())
        if proof != self.view.proof:
            self.view = View(proof, self.view.owned)

    def _own(self) -> None:
        self.view = View(self.view.proof, frozenset(self._assignments.values()))

    def _hold_back(self) -> None:
        """Pauses and resumes partitions as the listener's reasons are now."""
        held = {name for name, one in self._assignments.items() if self.paused or one.reasons} | set(self._resolving)
        if held == self._held_back:
            return
        try:
            if more := [TopicPartition(*name) for name in held - self._held_back]:
                self._consumer.pause(more)
            if fewer := [TopicPartition(*name) for name in self._held_back - held if name in self._assignments]:
                self._consumer.resume(fewer)
        except KafkaException as failure:
            self._on_error(failure.args[0])
            return
        self._held_back = held

    def _look_at_ends(self) -> None:
        """Once a second: where the logs end, as the last fetch said (no request is made)."""
        now = time.monotonic()
        if now - self._checked_ends < 1.0:
            return
        self._checked_ends = now
        for (topic, partition), assignment in self._assignments.items():
            try:
                end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)[1]
            except KafkaException:
                continue
            if end >= 0:
                assignment.end = end

    # --- what was committed

    def _committed(self, names: Sequence[Name], timeout: float) -> dict[Name, Progress]:
        found: dict[Name, Progress] = {}
        for answer in self._consumer.committed([TopicPartition(*name) for name in names], timeout=timeout):
            if answer.error is not None:
                raise KafkaException(answer.error)
            name = answer.topic, answer.partition
            if answer.offset < 0:
                found[name] = Progress()
                continue
            try:
                finished = metadata.decode(answer.metadata)
            except ValueError as error:
                log.warning("%s[%d]: %s; all from offset %d on is processed", *name, error, answer.offset)
                finished = b""
            found[name] = Progress(answer.offset, finished)
        return found

    def _resolve(self) -> None:
        """Looks at the partitions that wait until one is still pending; that one is the last to be looked at again."""
        for name in list(self._resolving):
            since = self._resolving[name]
            try:
                progress = self._committed([name], _PROBE)[name]
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

    # --- callbacks of the consumer: they run inside poll, consume and close, on the thread

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        now = time.monotonic()
        names = [(one.topic, one.partition) for one in given]
        known: dict[Name, Progress] = {}
        if names:
            try:
                known = self._committed(names, _CALLBACK)
            except KafkaException as failure:
                log.info("committed offsets are pending: %s", failure.args[0].name())
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
        drained: Future[None] = Future()
        drained.add_done_callback(lambda _: self._commands.put(lambda: None))
        moving = [self._assignments[name] for name in names if name in self._assignments]
        if moving and self._post(self._listener.drain, moving, drained):
            while not drained.done() and (left := began + self._patience - time.monotonic()) > 0:
                # Until this callback returns these partitions go to nobody else, whatever the generation is by now.
                self._refresh()
                self._serve(min(left, _WAIT))
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
            self._post(self._tell_gone, gone, lost, took)

    def _tell_gone(self, gone: list[Assignment], lost: bool, took: timedelta) -> None:
        self._listener.gone(gone, lost=lost, took=took)

    def _on_error(self, error: KafkaError) -> None:
        self._last_error = f"{error.name()}: {error.str()}"
        self._post(self._listener.trouble, self._last_error)

    def _rebuild(self) -> None:
        """Another consumer in place of one that is of no more use; waits longer each time it is needed again."""
        self._let_go(list(self._assignments) + list(self._resolving), lost=True, took=timedelta(0))
        self.view = View(None, frozenset())
        self._consumer.close()
        pause_until = time.monotonic() + min(30.0, 0.5 * 2.0**self._failures)
        self._failures += 1
        while not self._leaving and (left := pause_until - time.monotonic()) > 0:
            self._serve(min(left, _WAIT))
        self._consumer = self._build()
        self._subscribe()

    def _post(self, function: Callable[..., object], *args: object) -> bool:
        """Runs it on the event loop soon; False when the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True


def _name(message: Message) -> Name:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, message.timestamp()[1], message.key(), message.value(), _headers(message))


def _headers(message: Message) -> Headers:
    try:
        headers = message.headers()
    except (UnicodeDecodeError, SystemError):
        # A header's name is not UTF-8: the client library has no form for it, and the record goes on without headers.
        return ()
    return tuple(cast(list[tuple[str, bytes | None]], headers)) if headers else ()


def _proof(packed: bytes) -> bytes | None:
    """The group metadata when it names a member of a generation. `CGMDv2:`, generation, group, NUL, member, NUL, ..."""
    if packed[:7] != b"CGMDv2:":
        raise RuntimeError("the group metadata of this librdkafka version is not known")
    generation = int.from_bytes(packed[7:11], "little", signed=True)
    member = packed[11:].split(b"\0", 2)[1]
    return packed if generation > 0 and member else None
