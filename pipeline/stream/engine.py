"""The engine: records in, outputs out, exactly once and in key order, many at a time.

```
 Kafka ──► Membership ──► which partitions                                        Processor.process
           own thread            │                                                        │
 Kafka ──► Fetcher ─────► Intake ──► Lanes ──► one at a time per key, many keys at once ──┘
           own thread            │             event loop
 Kafka ◄── TransactionalProducer ◄── Releaser ◄── Outbox: finished, not committed
           own thread
```
The brokers' state (committed offset and what is finished beyond it) is the only truth: read when a partition is
assigned, and after a producer was built again. A transaction that failed is tried again with the same records.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import UnavailableError, UsageError
from pipeline.stream.failures import Complaints
from pipeline.stream.fetcher import Fetcher
from pipeline.stream.intake import Intake, oldest_arrival
from pipeline.stream.kafka import KafkaError, KafkaException
from pipeline.stream.membership import Membership
from pipeline.stream.observer import Observer, Silent, guarded
from pipeline.stream.policy import EnginePolicy, fetcher_settings, member_settings, producer_settings
from pipeline.stream.record import Processor
from pipeline.stream.release import Releaser
from pipeline.stream.status import EngineState, EngineStatus
from pipeline.stream.trouble import Trouble

__all__ = ["Engine", "EnginePolicy", "EngineState", "EngineStatus"]

_TEND = 0.25
"""Seconds between two looks at limits that no event brings up."""
_FROZEN = 2.0
"""Seconds without a turn of the event loop after which membership is in doubt; sessions last longer."""

_UNASSIGNED = 6.0
"""Seconds after which a worker without a partition is idle: others may hold them all, and a group that moves some
needs a heartbeat of each member (5 s by default)."""


class Engine:
    """Runs one processor over topics as one member of a consumer group. Several engines may share an event loop."""

    def __init__(
        self,
        processor: Processor,
        *,
        topics: Sequence[str],
        group: str,
        transactional_id: str,
        client: Mapping[str, str],
        policy: EnginePolicy = EnginePolicy(),  # noqa: B008  (frozen)
        observer: Observer | None = None,
    ) -> None:
        """`client` is what all clients of the cluster share, in librdkafka's names.

        `transactional_id` is stable over restarts and never used by two live workers (see `WorkerSlot`).
        """
        self._topics = tuple(topics)
        self._processor = processor
        self._policy = policy
        self._observer = observer or Silent()
        self._member_settings = member_settings(client, group, policy)
        self._fetcher_settings = fetcher_settings(client, group)
        self._producer_settings = producer_settings(client, transactional_id, policy)
        self._client = dict(client)
        self._transactional_id = transactional_id
        self._state = EngineState.STARTING
        self._paused_reason: str | None = None
        self._at_once = 0
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: _Running | None = None
        self._too_late: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Works until `stop`. Called once.

        Raises UnavailableError, one line, when the first contact with the brokers fails; once it runs, it waits for
        brokers that go away. Raises it too when Kafka takes neither the output nor the dead letter of a record: that
        one is not committed. Raises UsageError when librdkafka does not take a setting, and whatever `failed` or
        `refused` of the processor raise, against their contract.
        """
        self._loop = asyncio.get_running_loop()
        try:
            running = self._running = self._build()
            await self._contact(running)
            if not self._stopping:
                await self._work(running)
        finally:
            self._state = EngineState.STOPPED
            if self._too_late is not None:
                self._too_late.cancel()
            if self._running is not None:
                self._running.releaser.close()

    def stop(self) -> None:
        """No new records; those in flight may end within the grace period; commit, leave. From any thread."""
        self._stopping = True
        if self._state is not EngineState.STOPPED:
            self._state = EngineState.STOPPING
        self._on_loop(self._leave)

    def pause(self, reason: str) -> None:
        """Takes no new records and stays a member; those in flight go on. From any thread."""
        self._paused_reason = reason
        self._on_loop(self._apply_pause)

    def resume(self, at_once: int = 0) -> None:
        """Takes new records again, only so many at once when `at_once` is not 0. From any thread."""
        self._paused_reason, self._at_once = None, at_once
        self._on_loop(self._apply_pause)

    def status(self) -> EngineStatus:
        """A moment of it; on the event loop."""
        running, now = self._running, time.monotonic()
        if running is None:
            return EngineStatus(self._state, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, None, self._paused_reason)
        intake, releaser = running.intake, running.releaser
        assignments = list(intake.assignments.values())
        oldest = oldest_arrival(assignments)
        waiting = sum(one.lanes.waiting for one in assignments)
        caught_up = (
            running.membership.view.proof is not None
            and not intake.held
            and not intake.resolving
            and all(one.at_end for one in assignments)
            and (bool(assignments) or now - intake.last_activity > _UNASSIGNED)
        )
        state = self._state
        if state is EngineState.RUNNING and running.membership.view.proof is None:
            state = EngineState.STARTING
        elif state is EngineState.RUNNING and self._paused_reason is not None:
            state = EngineState.PAUSED
        return EngineStatus(
            state=state,
            in_flight=intake.lanes.in_flight,
            waiting=waiting,
            uncommitted=max(0, intake.held - intake.lanes.in_flight - waiting),
            partitions=len(assignments),
            resolving=len(intake.resolving),
            lag=sum(one.lag for one in assignments),
            oldest_waiting_s=0.0 if oldest is None else now - oldest,
            records_committed=intake.records_committed,
            outputs_committed=intake.outputs_committed,
            transactions=releaser.transactions,
            aborted=releaser.aborted,
            rebuilds=releaser.rebuilds,
            repeated=intake.repeated,
            idle_since=intake.last_activity if caught_up else None,
            paused_reason=self._paused_reason,
        )

    def _build(self) -> _Running:
        assert self._loop is not None
        policy = self._policy
        failure: asyncio.Future[None] = self._loop.create_future()

        def fail(error: BaseException) -> None:
            if not failure.done():
                failure.set_exception(error)

        observer = guarded(self._observer)
        complaints = Complaints(self._client)
        intake = Intake(self._processor, policy, observer, fail)
        patience = policy.patience.total_seconds()
        try:
            fetcher = Fetcher(self._fetcher_settings, intake, Trouble(complaints, observer.trouble))
            membership = Membership(
                self._member_settings,
                self._topics,
                intake,
                fetcher,
                Trouble(complaints, observer.trouble),
                patience=patience,
            )
            releaser = Releaser(
                self._producer_settings,
                policy,
                membership,
                lambda: list(intake.assignments.values()),
                self._processor,
                observer,
                intake.settle,
                intake.weigh,
                intake.expelled,
            )
        except KafkaException as refusal:
            raise UsageError(f"Kafka's client does not take its settings: {refusal.args[0].str()}") from None
        intake.wake = releaser.wake
        intake.is_settled = releaser.is_settled
        membership.busy = lambda: releaser.busy
        intake.stall.committing_since = lambda: releaser.committing_since
        return _Running(
            intake,
            complaints,
            fetcher,
            membership,
            releaser,
            failure,
            fail,
            patience + policy.transaction_timeout.total_seconds(),
        )

    async def _contact(self, running: _Running) -> None:
        """First the brokers and topics, then the producer: its start ends what a killed predecessor left open, before
        this worker joins and reads the committed offsets."""
        within = self._policy.start_timeout.total_seconds()
        await running.membership.check(running.complaints, within)
        doing = f"starting transactions as {self._transactional_id}"
        try:
            await running.releaser.open()
        except TimeoutError:
            raise running.complaints.failure(KafkaError(KafkaError._TIMED_OUT), doing) from None
        except KafkaException as failure:
            raise running.complaints.failure(failure, doing) from None

    async def _work(self, running: _Running) -> None:
        assert self._loop is not None
        self._state = EngineState.RUNNING
        self._apply_pause()
        member = self._loop.create_task(running.membership.run())
        fetching = self._loop.create_task(running.fetcher.run())
        releasing = self._loop.create_task(running.releaser.run())
        self._tend(time.monotonic())
        try:
            everything = {member, fetching, releasing, running.failure}
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._state = EngineState.STOPPING
            running.fetcher.stop()
            if not member.done():
                # Broken or cancelled: no drain and no commit, but the group is told.
                running.intake.abandon()
                running.membership.leave()
            await asyncio.wait({member, fetching}, timeout=self._policy.transaction_timeout.total_seconds())
            running.intake.abandon()
            releasing.cancel()
            await asyncio.wait({releasing})
        for ended in (running.failure, member, fetching, releasing):
            if ended.done() and not ended.cancelled() and (error := ended.exception()):
                raise error

    def _tend(self, due: float) -> None:
        """Again and again, as a timer and not a task: after a freeze it runs before anything that was due meanwhile."""
        assert self._loop is not None
        assert self._running is not None
        now = time.monotonic()
        if now - due > _FROZEN:
            self._running.intake.doubt(now)
        self._running.intake.tend(now)
        if self._state is not EngineState.STOPPED:
            self._loop.call_later(_TEND, self._tend, now + _TEND)

    def _leave(self) -> None:
        running = self._running
        if running is None or self._loop is None:
            return
        running.intake.lanes.hold("stopping")
        running.fetcher.paused = True
        running.membership.leave()
        late = UnavailableError("Kafka did not let this worker commit and leave in time")
        self._too_late = self._loop.call_later(running.patience, running.fail, late)

    def _apply_pause(self) -> None:
        if self._running is None or self._stopping:
            return
        self._running.fetcher.paused = self._paused_reason is not None
        if self._paused_reason is not None:
            self._running.intake.lanes.hold("paused")
        else:
            self._running.intake.lanes.narrow(self._at_once)
            self._running.intake.lanes.release("paused")

    def _on_loop(self, action: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)


@dataclass(frozen=True, slots=True)
class _Running:
    """The parts of an engine that runs."""

    intake: Intake
    complaints: Complaints
    fetcher: Fetcher
    membership: Membership
    releaser: Releaser
    failure: asyncio.Future[None]
    fail: Callable[[BaseException], None]
    patience: float
    """Seconds an orderly stop may take."""
