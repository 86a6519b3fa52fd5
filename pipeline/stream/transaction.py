"""One transaction: outputs and offsets, committed together or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import ParamSpec

from pipeline.stream.assignment import Finished
from pipeline.stream.failures import SILENT
from pipeline.stream.kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from pipeline.stream.outbox import Refusal, Share
from pipeline.stream.record import Output

P = ParamSpec("P")

_Content = tuple[str, bytes | None, bytes | None]
"""Topic, key and value of an output."""

REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._UNKNOWN_PARTITION,
    }
)
"""What the client or the broker says of an output that it will never take; anything else may pass with time."""

_OFFSETS = 5.0
_ABORT = 5.0
_COMMIT = 1.0
"""Seconds of one attempt. A refused output makes a commit wait out its timeout: a short one, again and again."""
_ALONE = 2.0
"""Seconds until an output that is sent alone must have been taken."""


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
    expelled: bool = False
    """The group does not know this member any more."""
    crowded: bool = False
    """The broker refuses requests though it takes each output alone: only a careful producer gets them through."""


class Transactor:
    """A transactional producer, used by one thread. Its calls block.

    The broker fails all outputs of a refused request, good ones too. In the next transaction each of these is sent
    alone, and only so is it known which one it was. `careful` sends every output alone.
    """

    def __init__(self, settings: Mapping[str, str | int | bool], *, careful: bool) -> None:
        """Raises KafkaException when the library does not take a setting."""
        self.given_up = False
        """Retries end; set by any thread."""
        self._careful = careful
        self._refused: set[_Content] = set()
        """Outputs in requests that were refused in the present transaction."""
        self._suspects: set[_Content] = set()
        """The same of earlier transactions: one of them is the culprit."""
        requests = {"batch.num.messages": 1} if careful else {}
        self._producer = Producer({**settings, **requests, "on_delivery": self._not_delivered}, logger=SILENT)

    def init(self, timeout: float) -> None:
        """Ends what a predecessor with this transactional id left open and fences it. Raises KafkaException."""
        self._producer.init_transactions(timeout)

    def transact(self, shares: Sequence[Share], proof: bytes) -> Result:
        """One transaction with all outputs of `shares` and their offsets, as the member of which `proof` is."""
        try:
            return self._transact(shares, proof)
        except SystemError as failure:
            # So the library passes on a fatal error that it meets while it calls back.
            if not isinstance(failure.__cause__, KafkaException):
                raise
            return Result(Outcome.UNKNOWN, str(failure.__cause__))

    def _transact(self, shares: Sequence[Share], proof: bytes) -> Result:
        refusals: list[Refusal] = []
        suspects, searched = self._suspects, False
        self._refused.clear()
        try:
            self._producer.begin_transaction()
            for share in shares:
                for finished in share.finished:
                    for output in finished.outputs:
                        if suspects and (output.topic, output.key, output.value) in suspects:
                            self._produce_alone(share, finished, output, refusals)
                        else:
                            self._produce(share, finished, output, refusals)
            if refusals:
                return self._abort("an output was refused", refusals)
            searched = bool(suspects)
            offsets = [TopicPartition(*share.assignment.name, share.offset, share.metadata) for share in shares]
            self._persist(self._producer.send_offsets_to_transaction, offsets, proof, _OFFSETS)
            self._persist(self._producer.commit_transaction, _COMMIT)
            suspects.clear()
            return Result(Outcome.COMMITTED)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            reason = f"{error.name()}: {error.str()}"
            if error.fatal():
                return Result(Outcome.UNKNOWN, reason)
            result = self._abort(reason, refusals, searched=searched)
            return replace(result, expelled=error.code() == KafkaError.UNKNOWN_MEMBER_ID)

    def _abort(self, reason: str, refusals: list[Refusal], *, searched: bool = False) -> Result:
        try:
            self._persist(self._producer.abort_transaction, _ABORT)
        except KafkaException as failure:
            return Result(Outcome.UNKNOWN, f"{reason}, and the abort failed: {failure.args[0].name()}")
        # Aborting delivers the reports that were outstanding: only now is it known what was refused.
        if refusals:
            self._suspects.clear()
            return Result(Outcome.ABORTED, reason, tuple(refusals))
        self._suspects |= self._refused
        # Each was sent alone and taken, and yet a request was refused: no output is too large, but several are.
        return Result(Outcome.ABORTED, reason, crowded=searched and bool(self._refused))

    def _produce_alone(self, share: Share, finished: Finished, output: Output, refusals: list[Refusal]) -> None:
        """In a request of its own, behind what was produced before it. Raises KafkaException."""
        left = self._producer.flush(_ALONE)
        self._produce(share, finished, output, refusals, alone=True)
        if left or self._producer.flush(_ALONE):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "an output sent alone was not taken in time"))

    def _produce(
        self, share: Share, finished: Finished, output: Output, refusals: list[Refusal], *, alone: bool = False
    ) -> None:
        options: dict[str, object] = {}
        if output.headers:
            options["headers"] = list(output.headers)
        if output.partition is not None:
            options["partition"] = output.partition
        if alone or self._careful:
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
        if error is not None and error.code() in REFUSED:
            self._refused.add((message.topic() or "", message.key(), message.value()))

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
