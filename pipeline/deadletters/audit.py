"""The audit of what people do: written before they get what they asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.index import Entry, Operation
from pipeline.deadletters.ledgers import OPERATION_TOPIC
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.errors import NotAllowedError, PipelineError, UnavailableError
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output


class Action(StrEnum):
    """What people do (a closed list)."""

    REVEAL = "reveal"
    EDIT = "edit"
    REPLAY = "replay"
    RESOLVE = "resolve"
    EXPORT = "export"
    IMPORT = "import"
    RESUME = "resume"


class Result(StrEnum):
    """How it ended (a closed list)."""

    DONE = "done"
    REFUSED = "refused"
    """Who asked may not do it, or what they asked for is not valid."""
    FAILED = "failed"
    STOPPED = "stopped"
    """A replay that was stopped: by its canary, or by who began it."""
    BEGUN = "begun"


class Audit:
    """Writes to the topic of operations. `now` is the clock."""

    def __init__(self, topics: DeadLetterTopics, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._topics, self._now = topics, now

    def write(self, *operations: Operation) -> None:
        """Writes and waits until Kafka has them. Raises UnavailableError when it does not take them."""
        with Publisher(self._topics.client) as publisher:
            for operation in operations:
                publisher.send(self.output(operation))

    def operation(self, actor: Actor, action: Action, result: Result, why: str = "", detail: str = "") -> Operation:
        """What was done now."""
        return Operation(self._now(), actor.name, action, result, why, detail=detail)

    @contextmanager
    def watched(self, actor: Actor, action: Action, role: Role, why: str = "", detail: str = "") -> Iterator[None]:
        """Notes a refusal or failure of what is done inside; what succeeds is noted by who does it.

        Raises NotAllowedError when the role is missing.
        """
        try:
            actor.require(role)
            yield
        except UnavailableError:
            # What is away for the deed is away for its audit, too.
            raise
        except PipelineError as error:
            result = Result.REFUSED if error.exit_code == NotAllowedError.exit_code else Result.FAILED
            self.write(self.operation(actor, action, result, why, detail or type(error).__name__))
            raise

    def output(self, operation: Operation) -> Output:
        """The record of the audit topic."""
        record = {
            "at": operation.at,
            "by": operation.by,
            "action": operation.action,
            "result": operation.result,
            "why": operation.why,
            "dead_letter": operation.letter and operation.letter.as_record(),
            "event_id": operation.event_id,
            "replay_id": operation.replay_id,
            "enrichment": operation.enrichment,
            "detail": operation.detail,
        }
        return Output(OPERATION_TOPIC, operation.by.encode(), self._topics.codec(OPERATION_TOPIC).encode(record))


def about(operation: Operation, entries: Iterable[Entry]) -> list[Operation]:
    """The same operation once for each dead letter."""
    return [replace(operation, letter=entry.at, event_id=entry.event_id) for entry in entries]
