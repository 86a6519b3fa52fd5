"""Takes records in, runs them in their lanes, and keeps the count of what is held."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Concatenate, ParamSpec

from pipeline.stream.assignment import Assignment, Finished, Name, Phase
from pipeline.stream.fetcher import Arrival
from pipeline.stream.lanes import Lanes
from pipeline.stream.observer import Observer
from pipeline.stream.policy import EnginePolicy
from pipeline.stream.progress import Progress
from pipeline.stream.record import Processor, Record
from pipeline.stream.stall import Stall

log = logging.getLogger(__name__)

_FULL = 0.25
"""Seconds at the backlog's limit before partitions are paused: pausing throws the prefetched records away."""
_DOUBT = "membership in doubt"
_LONGEST_DOUBT = 3.0
"""Seconds; the group's answer to a late heartbeat comes within milliseconds."""
_OPEN_AGAIN = 0.7
"""Part of a limit at which what was paused for it goes on."""

P = ParamSpec("P")


def _or_fail(method: Callable[Concatenate[Intake, P], None]) -> Callable[Concatenate[Intake, P], None]:
    """What goes wrong here ends the engine: on the event loop it would only be logged, and work stand still."""

    @functools.wraps(method)
    def call(self: Intake, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  (passed on)
            self.fail(error)

    return call


class Intake:
    """All assignments of an engine and their records. On the event loop, but for `room` and `create`."""

    def __init__(
        self, processor: Processor, policy: EnginePolicy, observer: Observer, fail: Callable[[BaseException], None]
    ) -> None:
        """`fail` ends the engine: the processor broke its contract."""
        self.lanes = Lanes(policy.concurrency)
        self.stall = Stall(self.lanes, policy.concurrency)
        self.assignments: dict[Name, Assignment] = {}
        self.resolving: set[Name] = set()
        self.repeated = 0
        """Records in flight when their partition was taken away."""
        self.records_committed = 0
        self.outputs_committed = 0
        self.last_activity = time.monotonic()
        self.wake: Callable[..., None] = lambda **_: None
        """Tells the releaser that something is finished."""
        self.is_settled: Callable[[Assignment], bool] = lambda _: True
        """Asks the releaser whether all that is finished is committed."""
        self._processor = processor
        self._policy = policy
        self._observer = observer
        self.fail = fail
        self._settled = 0
        self._held = 0
        self._held_bytes = 0
        self._full_since: float | None = None
        self._overflowing = False
        self._doubted_since: float | None = None
        self._changed = asyncio.Event()
        self._drains: set[asyncio.Task[None]] = set()

    # --- what fetcher and membership tell

    def room(self, handed: int) -> int:
        """How many records may be fetched; while the backlog overflows, partitions below their share may go on."""
        limit = 2 if self._overflowing else 1
        if self._held_bytes >= limit * self._policy.backlog_bytes:
            return 0
        return limit * self._policy.backlog - (handed - self._settled)

    def create(self, topic: str, partition: int, progress: Progress) -> Assignment:
        return Assignment(topic, partition, progress, self._process)

    @_or_fail
    def assigned(self, assignments: Sequence[Assignment], resolving: Sequence[Name]) -> None:
        self.last_activity = time.monotonic()
        self.assignments.update({one.name: one for one in assignments})
        self.resolving.update(resolving)
        self._observer.assigned([one.name for one in assignments], resolving)
        self._begin(assignments)

    @_or_fail
    def resolved(self, assignment: Assignment, waited: timedelta) -> None:
        self.last_activity = time.monotonic()
        self.resolving.discard(assignment.name)
        self.assignments[assignment.name] = assignment
        self._observer.resolved(assignment.name, waited)
        self._begin([assignment])

    @_or_fail
    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        now = self.last_activity = time.monotonic()
        for arrival in arrivals:
            self._take_in(arrival, now)
        self.balance(now)

    @_or_fail
    def drain(self, assignments: Sequence[Assignment], drained: Future[None]) -> None:
        task = asyncio.get_running_loop().create_task(self._drain(assignments, drained))
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    @_or_fail
    def gone(self, assignments: Sequence[Assignment], lost: bool, took: timedelta) -> None:
        self.last_activity = time.monotonic()
        cancelled = sum(self._drop(one) for one in assignments)
        names = [one.name for one in assignments]
        if lost:
            self._trust()
            self._observer.lost(names, cancelled)
        else:
            self._observer.revoked(names, cancelled, took)

    @_or_fail
    def expelled(self) -> None:
        """The group does not know this member any more. What moves is given up: while its callback runs, the client
        library cannot tell that it is lost. All else it will tell."""
        for one in list(self.assignments.values()):
            if one.phase is Phase.DRAINING:
                self._drop(one)

    # --- the engine's

    @property
    def held(self) -> int:
        """Records fetched and not committed."""
        return self._held

    def settle(self, assignment: Assignment, finished: Sequence[Finished]) -> None:
        """Notes that these are committed."""
        now = self.last_activity = time.monotonic()
        self.records_committed += len(finished)
        self.outputs_committed += sum(len(one.outputs) for one in finished)
        if assignment.phase is not Phase.GONE:
            self._forget(assignment, len(finished), sum(one.record.size for one in finished))
            self.stall.committed(assignment, len(finished))
        self._changed.set()
        self._trust()
        self.balance(now)

    def weigh(self, assignment: Assignment, size: int) -> None:
        """Pauses a partition whose commit metadata (`size` characters) gets too long for the broker, or whose
        finished records are too far ahead of the first unfinished one to be remembered."""
        limits = (
            ("metadata", size, self._policy.metadata_soft_limit),
            ("window", assignment.progress.span, self._policy.window),
        )
        for reason, value, limit in limits:
            if value > limit:
                self._pause(assignment, reason)
            elif value < _OPEN_AGAIN * limit:
                self._resume(assignment, reason)

    def doubt(self, now: float) -> None:
        """This process did not run for a while, and may be no member any more: starts nothing until that is known."""
        self._doubted_since = now
        self.lanes.hold(_DOUBT)

    def tend(self, now: float) -> None:
        """Looks at limits that no event brings up; called a few times a second."""
        if self._doubted_since is not None and now - self._doubted_since > _LONGEST_DOUBT:
            self._trust()
        self.balance(now)
        self.stall.tend()
        if any(one.dirty for one in self.assignments.values()):
            # What could not be committed when it was finished: no other record may come to wake anybody.
            self.wake()

    def balance(self, now: float) -> None:
        """When the backlog is full for a while, pauses the partitions that hold more than their share of it."""
        backlog, size = self._policy.backlog, self._policy.backlog_bytes
        if self._held >= backlog or self._held_bytes >= size:
            if self._full_since is None:
                self._full_since = now
            if now - self._full_since < _FULL:
                return
            self._overflowing = True
            count = max(1, len(self.assignments))
            for one in self.assignments.values():
                if one.held > backlog // count or one.held_bytes > size // count:
                    self._pause(one, "backlog")
        elif self._held < _OPEN_AGAIN * backlog and self._held_bytes < _OPEN_AGAIN * size:
            self._full_since = None
            if self._overflowing:
                self._overflowing = False
                for one in self.assignments.values():
                    self._resume(one, "backlog")

    def abandon(self) -> None:
        """Drops everything at once; nothing more is committed."""
        for one in list(self.assignments.values()):
            self._drop(one)
        self._changed.set()

    def _begin(self, assignments: Sequence[Assignment]) -> None:
        """Tells which of these nothing is known of."""
        if begun := [one.name for one in assignments if one.progress.prefix is None]:
            self._observer.begun(begun)

    def _pause(self, assignment: Assignment, reason: str) -> None:
        if reason not in assignment.reasons:
            assignment.reasons.add(reason)
            self._observer.paused(assignment.name, reason)

    def _resume(self, assignment: Assignment, reason: str) -> None:
        if reason in assignment.reasons:
            assignment.reasons.discard(reason)
            if not assignment.reasons:
                self._observer.resumed(assignment.name)

    def _trust(self) -> None:
        """A commit went through, or the partitions are known to be lost: either way it is known what is ours."""
        if self._doubted_since is not None:
            self._doubted_since = None
            self.lanes.release(_DOUBT)

    # --- one record

    async def _process(self, assignment: Assignment, record: Record) -> None:
        try:
            try:
                outputs = tuple(await self._processor.process(record))
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Nobody cancelled this record: something inside `process` was cancelled and it let that out.
                outputs = tuple(self._processor.failed(record, RuntimeError(f"cancelled from within: {error!r}")))
            except Exception as error:  # noqa: BLE001  (a failure of one record's code is that record's failure)
                outputs = tuple(self._processor.failed(record, error))
        except Exception as error:  # noqa: BLE001  (the contract says `failed` does not raise)
            self.fail(error)
            return
        if assignment.phase is Phase.GONE:
            return
        assignment.progress.finish(record.offset)
        assignment.finished.append(Finished(record, outputs))
        assignment.dirty = True
        self.stall.finished(assignment)
        if assignment.phase is Phase.DRAINING:
            self._changed.set()
        self.wake()

    def _take_in(self, arrival: Arrival, now: float) -> None:
        assignment, records = arrival.assignment, arrival.records
        if assignment.phase is not Phase.ACTIVE:
            self._settled += len(records)
            return
        fetched = assignment.progress.fetched
        fresh = [record for record in records if fetched(record.offset)]
        if len(fresh) < len(records):
            self._settled += len(records) - len(fresh)
            assignment.dirty = True
            self.wake()
        if fresh:
            size = sum(record.size for record in fresh)
            assignment.held += len(fresh)
            assignment.held_bytes += size
            self._held += len(fresh)
            self._held_bytes += size
            assignment.arrived(fresh[0].offset, now)
            self.lanes.admit(assignment.lanes, fresh)
        if arrival.end is not None:
            assignment.progress.reached(arrival.end)
        assignment.at_end = arrival.end is not None and arrival.end == assignment.progress.next

    def _forget(self, assignment: Assignment, records: int, size: int) -> None:
        self._settled += records
        self._held -= records
        self._held_bytes -= size
        assignment.held -= records
        assignment.held_bytes -= size

    def _drop(self, assignment: Assignment) -> int:
        cancelled = self.lanes.drop(assignment.lanes)
        self.repeated += cancelled
        if assignment.phase is not Phase.GONE:
            assignment.phase = Phase.GONE
            self.stall.dropped(assignment)
            self._forget(assignment, assignment.held, assignment.held_bytes)
        assignment.finished = []
        assignment.dirty = assignment.unsure = False
        if self.assignments.get(assignment.name) is assignment:
            del self.assignments[assignment.name]
        self.resolving.discard(assignment.name)
        self._changed.set()
        return cancelled

    # --- a partition moves

    async def _drain(self, assignments: Sequence[Assignment], drained: Future[None]) -> None:
        """Paid calls are let end within the grace period; then all that is finished is committed."""
        for one in assignments:
            if one.phase is Phase.ACTIVE:
                one.phase = Phase.DRAINING
                self.lanes.close(one.lanes)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.grace.total_seconds()):
                await self._until(lambda: not any(one.lanes.in_flight for one in assignments))
        for one in assignments:
            self.repeated += self.lanes.drop(one.lanes)
        self.wake(hurry=True)
        await self._until(lambda: all(self._done_with(one) for one in assignments))
        drained.set_result(None)

    def _done_with(self, assignment: Assignment) -> bool:
        return assignment.phase is Phase.GONE or self.is_settled(assignment)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


def oldest_arrival(assignments: Iterable[Assignment]) -> float | None:
    """When the first record not finished was fetched, over all of them."""
    return min((since for one in assignments if (since := one.oldest_arrival()) is not None), default=None)
