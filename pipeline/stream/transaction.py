"""One transaction: outputs and offsets, committed together or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import ParamSpec

from pipeline.stream.assignment import Finished
from pipeline.stream.failures import SILENT
from pipeline.stream.kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from pipeline.stream.outbox import Refusal, Share
from pipeline.stream.record import Output

P = ParamSpec("P")

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

_OFFSETS = 5.0
_ABORT = 5.0
_COMMIT = 1.0
"""Seconds of one attempt. A refused output makes a commit wait out its timeout: a short one, again and again."""


class Outcome(Enum):
    """What became of a transaction."""

    COMMITTED = auto()
    ABORTED = auto()
    """Surely nothing of it is visible; the producer can be used again."""
    UNKNOWN = auto()
    """It may be committed or not, and the producer is of no more use: build another, then ask the broker."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a transaction ended."""

    outcome: Outcome
    reason: str = ""
    refusals: tuple[Refusal, ...] = ()
    suspect: bool = False
    """The broker refused a request in which some output will never be taken: a careful producer finds it."""


class Transactor:
    """A transactional producer, used by one thread. Its calls block.

    `careful` sends every output in a request of its own: the broker fails all outputs of a refused request, good ones
    too, and only so is it known which one it was.
    """

    def __init__(self, settings: Mapping[str, str | int | bool], *, careful: bool) -> None:
        """Raises KafkaException when the library does not take a setting."""
        self.given_up = False
        """Retries end; set by any thread."""
        self._careful = careful
        self._undelivered: set[int] = set()
        requests = {"batch.num.messages": 1} if careful else {}
        self._producer = Producer({**settings, **requests, "on_delivery": self._not_delivered}, logger=SILENT)

    def init(self, timeout: float) -> None:
        """Ends what a predecessor with this transactional id left open and fences it. Raises KafkaException."""
        self._producer.init_transactions(timeout)

    def transact(self, shares: Sequence[Share], proof: bytes) -> Result:
        """One transaction with all outputs of `shares` and their offsets, as the member of which `proof` is."""
        refusals: list[Refusal] = []
        self._undelivered.clear()
        try:
            self._producer.begin_transaction()
            for share in shares:
                for finished in share.finished:
                    for output in finished.outputs:
                        self._produce(share, finished, output, refusals)
            if refusals:
                return self._abort("an output was refused by the client", refusals)
            offsets = [TopicPartition(*share.assignment.name, share.offset, share.metadata) for share in shares]
            self._persist(self._producer.send_offsets_to_transaction, offsets, proof, _OFFSETS)
            self._persist(self._producer.commit_transaction, _COMMIT)
            return Result(Outcome.COMMITTED)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            reason = f"{error.name()}: {error.str()}"
            if error.fatal():
                return Result(Outcome.UNKNOWN, reason)
            return self._abort(reason, refusals, suspect=error.code() in REFUSED)

    def _abort(self, reason: str, refusals: list[Refusal], *, suspect: bool = False) -> Result:
        try:
            self._persist(self._producer.abort_transaction, _ABORT)
        except KafkaException as failure:
            return Result(Outcome.UNKNOWN, f"{reason}, and the abort failed: {failure.args[0].name()}")
        # Aborting delivers the reports that were outstanding: only now is it known what was refused.
        suspect = (suspect or not REFUSED.isdisjoint(self._undelivered)) and not refusals
        return Result(Outcome.ABORTED, reason, tuple(refusals), suspect)

    def _produce(self, share: Share, finished: Finished, output: Output, refusals: list[Refusal]) -> None:
        options: dict[str, object] = {}
        if output.headers:
            options["headers"] = list(output.headers)
        if self._careful:
            options["on_delivery"] = functools.partial(self._tell, refusals, share, finished, output)
        while True:
            try:
                self._producer.produce(output.topic, output.value, output.key, **options)  # type: ignore[arg-type]
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as failure:
                error: KafkaError = failure.args[0]
                if error.code() not in REFUSED:
                    raise
                refusals.append(Refusal(share, finished, output, error.name()))
                return
            except (TypeError, ValueError) as failure:
                refusals.append(Refusal(share, finished, output, type(failure).__name__))
                return

    def _not_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._undelivered.add(error.code())

    @staticmethod
    def _tell(
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
                if self.given_up or not failure.args[0].retriable():
                    raise
