"""Fetches the records of assigned partitions, on a thread and with a consumer of its own.

This consumer is no member of the group: it takes the partitions it is told. A member's consumer does nothing else while
a callback waits for moving partitions to drain; with the two apart, all other partitions flow on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pipeline.stream.assignment import Assignment, Name
from pipeline.stream.calls import Calls
from pipeline.stream.failures import SILENT
from pipeline.stream.kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from pipeline.stream.record import Headers, Record
from pipeline.stream.thread import on_thread
from pipeline.stream.trouble import Trouble

_BATCH = 1000
"""Most records taken at once: so many become `Record`s in about 3 ms."""
_WAIT = 0.05
"""Seconds a poll waits for a record; new assignments wait no longer."""
_FULL_WAIT = 0.01
"""Seconds between two looks whether there is room again."""


@dataclass(slots=True)
class Arrival:
    """What was fetched of one partition."""

    assignment: Assignment
    records: list[Record]
    end: int | None = None
    """The end of the log, when it was reached behind these records."""


class Receiver(Protocol):
    """Who gets the records. `room` is called on the fetcher's thread, `arrived` on the event loop."""

    def room(self, handed: int) -> int:
        """How many records may be fetched, when so many were handed over so far."""

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Records, in offset order."""


class Fetcher:
    """A consumer without a group, and its thread."""

    def __init__(self, settings: Mapping[str, str | int | bool], receiver: Receiver, trouble: Trouble) -> None:
        """Raises KafkaException when the library does not take a setting."""
        self.paused = False
        """Nothing is fetched. Set by anyone."""
        self._receiver = receiver
        self._trouble = trouble
        self._loop = asyncio.get_running_loop()
        self._calls = Calls()
        self._ended = False
        self._handed = 0
        self._assignments: dict[Name, Assignment] = {}
        self._held_back: set[Name] = set()
        self._ends_seen = 0.0
        self._consumer = Consumer({**settings, "error_cb": trouble}, logger=SILENT)

    async def run(self) -> None:
        """Fetches until it is stopped. Raises what the thread could not handle."""
        await on_thread("kafka-fetcher", self._work)

    def stop(self) -> None:
        """Ends the thread; from any thread."""
        self._ended = True

    def add(self, assignments: Sequence[Assignment]) -> None:
        """Fetches these from where their progress says; from any thread, but one after the other."""
        starts = [(one, OFFSET_BEGINNING if one.progress.next is None else one.progress.next) for one in assignments]
        self._calls.tell(lambda: self._add(starts))

    def remove(self, assignments: Sequence[Assignment]) -> None:
        """Fetches these no more; from any thread, but one after the other. A few records may still arrive."""
        self._calls.tell(lambda: self._remove(assignments))

    # --- on the thread

    def _work(self) -> None:
        while not self._ended:
            self._calls.serve(0)
            self._hold_back()
            self._look_at_ends()
            room = self._receiver.room(self._handed)
            if room > 0:
                self._fetch(min(room, _BATCH))
            else:
                self._calls.serve(_FULL_WAIT)
        self._consumer.close()

    def _add(self, starts: Sequence[tuple[Assignment, int]]) -> None:
        self._assignments.update({one.name: one for one, _ in starts})
        self._consumer.incremental_assign([TopicPartition(*one.name, start) for one, start in starts])

    def _remove(self, assignments: Sequence[Assignment]) -> None:
        names = [one.name for one in assignments if self._assignments.get(one.name) is one]
        for name in names:
            del self._assignments[name]
        self._held_back.difference_update(names)
        if names:
            self._consumer.incremental_unassign([TopicPartition(*name) for name in names])

    def _fetch(self, most: int) -> None:
        """Up to `most` records: waits for the first one only, and takes what else is there."""
        first = self._consumer.poll(_WAIT)
        if first is None:
            return
        messages = [first, *self._consumer.consume(most - 1, 0)] if most > 1 else [first]
        arrivals = records_of(messages, self._assignments, self._trouble)
        if arrivals:
            self._handed += sum(len(arrival.records) for arrival in arrivals)
            self._loop.call_soon_threadsafe(self._receiver.arrived, arrivals)

    def _hold_back(self) -> None:
        """Pauses and resumes partitions as the reasons are now."""
        held = {name for name, one in self._assignments.items() if self.paused or one.reasons}
        if held == self._held_back:
            return
        try:
            if more := [TopicPartition(*name) for name in held - self._held_back]:
                self._consumer.pause(more)
            if fewer := [TopicPartition(*name) for name in self._held_back - held]:
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


def records_of(
    messages: Sequence[Message], assignments: Mapping[Name, Assignment], trouble: Callable[[KafkaError], None]
) -> list[Arrival]:
    """Messages as records by assignment, those of partitions without one left out; `trouble` is told every error."""
    arrivals: dict[Name, Arrival] = {}
    for message in messages:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            trouble(error)
            continue
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        arrival = arrivals.get((topic, partition))
        if arrival is None:
            assignment = assignments.get((topic, partition))
            if assignment is None:
                continue
            arrival = arrivals[topic, partition] = Arrival(assignment, [])
        if error is None:
            record = Record(
                topic,
                partition,
                offset,
                message.timestamp()[1],
                message.key(),
                message.value(),
                _headers(message),
            )
            arrival.records.append(record)
        else:
            arrival.end = offset
    return list(arrivals.values())


def _headers(message: Message) -> Headers:
    try:
        headers = message.headers()
    except (UnicodeDecodeError, SystemError):
        # A header's name is not UTF-8: the client library has no form for it, and the record goes on without headers.
        return ()
    return tuple(cast(list[tuple[str, bytes | None]], headers)) if headers else ()
