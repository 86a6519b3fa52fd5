"""Closes dead letters without sending them: a note for each, and its audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.deadletters.actor import Actor
from pipeline.deadletters.audit import Action, Audit, Result, about
from pipeline.deadletters.index import Entry
from pipeline.deadletters.ledgers import STATUS_TOPIC
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output


class Closer:
    """Writes the notes."""

    def __init__(self, topics: DeadLetterTopics, audit: Audit) -> None:
        self._topics, self._audit = topics, audit

    def close(self, actor: Actor, entries: Sequence[Entry], why: str, action: Action) -> None:
        """Notes that these are dealt with. Raises UnavailableError when Kafka does not take the notes."""
        codec = self._topics.codec(STATUS_TOPIC)
        now = datetime.now(UTC)
        with Publisher(self._topics.client) as publisher:
            for entry in entries:
                note = {
                    "dead_letter": entry.at.as_record(),
                    "event_id": entry.event_id,
                    "status": "RESOLVED",
                    "at": now,
                    "by": actor.name,
                    "why": why,
                }
                publisher.send(Output(STATUS_TOPIC, str(entry.at).encode(), codec.encode(note)))
            for done in about(self._audit.operation(actor, action, Result.DONE, why), entries):
                publisher.send(self._audit.output(done))
