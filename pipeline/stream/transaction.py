"""The producer side: one transactional producer, and the one thread that calls it."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from queue import SimpleQueue
from typing import Concatenate, ParamSpec, TypeVar

from pipeline.stream.assignment import Assignment, Finished
from pipeline.stream.kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from pipeline.stream.librarylog import LibraryLog
from pipeline.stream.record import Output

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
"""What the client or the broker says of an output that it will never take; anything else may pass with time."""


class Outcome(Enum):
    """What became of a transaction."""

    COMMITTED = auto()
    ABORTED = auto()
    """Surely nothing of it is visible; the producer can be used again."""
    UNKNOWN = auto()
    """It may be committed or not, and the producer is of no more use: build another, then ask the broker."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition brings to a transaction."""

    assignment: Assignment
    finished: Sequence[Finished]
    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An output that will never be taken."""

    share: Share
    finished: Finished
    output: Output
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a transaction ended."""

    outcome: Outcome
    reason: str = ""
    refusals: tuple[Refusal, ...] = ()
    suspect: bool = False
    """The broker refused a batch that holds an output it will never take: find it with a careful producer."""


class TransactionalProducer:
    """A producer and its thread. Every call returns a future at once; calls are done one after the other.

    `careful` sends every output in a request of its own: the broker fails all outputs of a refused request, good ones
    too, and only so is it known which one it was.
    """

    def __init__(self, settings: Mapping[str, str | int | bool], *, careful: bool = False) -> None:
        self.careful = careful
        self._undelivered: set[int] = set()
        self._given_up = False
        self._calls: SimpleQueue[Callable[[Producer], None] | None] = SimpleQueue()
        requests = {"batch.num.messages": 1} if careful else {}
        producer = Producer({**settings, **requests, "on_delivery": self._not_delivered}, logger=LibraryLog(log))
        # A daemon: a call that never comes back must not keep the program alive. Only the thread keeps the producer:
        # its end, which may take long as well, is the thread's too.
        threading.Thread(target=self._serve, args=(producer,), name="kafka-producer", daemon=True).start()

    async def init(self, within: float) -> None:
        """Ends what a predecessor with this transactional id left open and fences it. Raises KafkaException.

        Takes up to `within` seconds by itself, and is given up after twice that (raises TimeoutError).
        """
        async with asyncio.timeout(2 * within):
            await self._call(self._init, within)

    async def commit(self, shares: Sequence[Share], membership: object, within: float) -> Result:
        """Everything in `shares`, and their offsets as the member that `membership` describes, in one transaction.

        UNKNOWN when it takes longer than `within` seconds: a call into librdkafka can hang past its own timeout.
        """
        try:
            async with asyncio.timeout(within):
                return await self._call(self._transact, shares, membership)
        except TimeoutError:
            return Result(Outcome.UNKNOWN, "the transaction did not come back")

    def give_up(self) -> None:
        """Ends the thread as soon as its present call comes back, if ever; does not wait."""
        self._given_up = True
        self._calls.put(None)

    def _call(
        self, function: Callable[Concatenate[Producer, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        future: Future[T] = Future()

        def call(producer: Producer) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(producer, *args, **kwargs))
            except BaseException as error:  # noqa: BLE001  (whoever waits for the future gets it)
                future.set_exception(error)

        self._calls.put(call)
        return asyncio.wrap_future(future)

    def _serve(self, producer: Producer) -> None:
        while (call := self._calls.get()) is not None:
            call(producer)

    def _not_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._undelivered.add(error.code())

    # --- on the thread

    def _init(self, producer: Producer, timeout: float) -> None:
        producer.init_transactions(timeout)

    def _transact(self, producer: Producer, shares: Sequence[Share], membership: object) -> Result:
        refusals: list[Refusal] = []
        self._undelivered.clear()
        try:
            producer.begin_transaction()
            self._produce(producer, shares, refusals)
            if refusals:
                return self._abort(producer, "an output was refused by the client", refusals)
            offsets = [
                TopicPartition(share.assignment.topic, share.assignment.partition, share.offset, share.metadata)
                for share in shares
            ]
            self._persist(producer.send_offsets_to_transaction, offsets, membership, 5)
            # A refused output makes the commit wait out its timeout: a short one, again and again.
            self._persist(producer.commit_transaction, 1)
            return Result(Outcome.COMMITTED)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            reason = f"{error.name()}: {error.str()}"
            if error.fatal():
                return Result(Outcome.UNKNOWN, reason)
            suspect = error.code() in REFUSED
            return self._abort(producer, reason, refusals, suspect=suspect)

    def _abort(self, producer: Producer, reason: str, refusals: list[Refusal], *, suspect: bool = False) -> Result:
        try:
            self._persist(producer.abort_transaction, 5)
        except KafkaException as failure:
            return Result(Outcome.UNKNOWN, f"{reason}, and the abort failed: {failure.args[0].name()}")
        # Aborting delivers the reports that were outstanding: only now is it known what was refused.
        suspect = (suspect or not REFUSED.isdisjoint(self._undelivered)) and not refusals
        return Result(Outcome.ABORTED, reason, tuple(refusals), suspect)

    def _produce(self, producer: Producer, shares: Sequence[Share], refusals: list[Refusal]) -> None:
        for share in shares:
            for finished in share.finished:
                for output in finished.outputs:
                    self._send(producer, share, finished, output, refusals)

    def _send(
        self, producer: Producer, share: Share, finished: Finished, output: Output, refusals: list[Refusal]
    ) -> None:
        report = None
        if self.careful:
            report = functools.partial(self._tell, refusals, share, finished, output)
        while True:
            try:
                if report:
                    producer.produce(
                        output.topic, output.value, output.key, headers=list(output.headers), on_delivery=report
                    )
                elif output.headers:
                    producer.produce(output.topic, output.value, output.key, headers=list(output.headers))
                else:
                    producer.produce(output.topic, output.value, output.key)
                return
            except BufferError:
                producer.poll(0.05)
            except KafkaException as failure:
                error: KafkaError = failure.args[0]
                if error.code() not in REFUSED:
                    raise
                refusals.append(Refusal(share, finished, output, error.name()))
                return
            except (TypeError, ValueError) as failure:
                refusals.append(Refusal(share, finished, output, type(failure).__name__))
                return

    def _tell(
        self,
        refusals: list[Refusal],
        share: Share,
        finished: Finished,
        output: Output,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        if error is not None and error.code() in REFUSED:
            refusals.append(Refusal(share, finished, output, error.name()))

    def _persist(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Calls again while the error is one that passes; whoever waits for the transaction bounds it."""
        while True:
            try:
                call(*args, **kwargs)
                return
            except KafkaException as failure:
                if self._given_up or not failure.args[0].retriable():
                    raise
