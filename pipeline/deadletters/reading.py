"""Dead letters out of their topics: decoded, filtered, each with what was done about it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from pipeline.errors import RecordError, UsageError
from pipeline.serde import TopicCodecs, ValueCodec
from pipeline.stream.reader import read

STATUS_TOPIC = "enrichment.dead-letter-status.v1"
OPEN = "open"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter and where it stands. `status` is open, replayed or resolved."""

    topic: str
    partition: int
    offset: int
    envelope: Mapping[str, object]
    status: str = OPEN

    @property
    def id(self) -> str:
        """How commands name it: `<dead-letter topic>/<partition>/<offset>`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def text(self, name: str) -> str:
        """A field of the envelope as text."""
        return str(self.envelope[name])

    @property
    def received_at(self) -> datetime:
        """When the original first reached Kafka."""
        return cast(datetime, self.envelope["received_at"])

    @property
    def failed_at(self) -> datetime:
        return cast(datetime, self.envelope["failed_at"])


class Statuses:
    """What was done about dead letters. A note holds for the event it names, should a topic have been made anew."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[str, str]] = {}

    def note(self, letter_id: str, status: Mapping[str, object]) -> None:
        """Takes in one record of the status topic; a later one of the same dead letter stands."""
        self._noted[letter_id] = str(status["event_id"]), str(status["status"]).lower()

    def of(self, letter: DeadLetter) -> str:
        """Its status."""
        event_id, status = self._noted.get(letter.id, ("", OPEN))
        return status if event_id == letter.text("event_id") else OPEN


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; an empty list is no condition, several conditions must all hold."""

    ids: Sequence[str] = ()
    causes: Sequence[str] = ()
    stages: Sequence[str] = ()
    tenants: Sequence[str] = ()
    statuses: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter meets every condition."""
        return (
            (not self.ids or letter.id in self.ids or letter.text("event_id") in self.ids)
            and (not self.causes or letter.text("cause") in self.causes)
            and (not self.stages or letter.text("stage") in self.stages)
            and (not self.tenants or letter.text("tenant_id") in self.tenants)
            and (not self.statuses or letter.status in self.statuses)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
        )


@dataclass(slots=True)
class DeadLetterTopics:
    """The dead-letter topics of a catalogue on one cluster. `client` is what all clients of the cluster share."""

    codecs: TopicCodecs
    client: Mapping[str, str]
    _codecs: dict[str, ValueCodec] = field(default_factory=dict)

    def topics(self, topic: str | None = None) -> list[str]:
        """All dead-letter topics, or that of an input topic or itself. Raises UsageError when it is neither."""
        pairs = {e.input.topic: e.dead_letters.topic for e in self.codecs.catalogue.enrichments.values()}
        if topic is None:
            return sorted(set(pairs.values()))
        found = pairs.get(topic, topic)
        if found not in pairs.values():
            raise UsageError(f"{topic} has no dead letters; there are: {', '.join(sorted(pairs.values()))}")
        return [found]

    async def letters(self, topics: Sequence[str], wanted: Filter) -> AsyncIterator[DeadLetter]:
        """Every dead letter that matches, as the topics hold them now, in the order of each partition."""
        statuses = await self.statuses()
        for topic in topics:
            codec = self.codec(topic)
            for record in read(self.client, [topic]):
                if record.value is None:
                    continue
                try:
                    envelope = (await codec.decode(record.value)).record
                except RecordError as error:
                    _log.warning("%s/%d/%d is no dead letter: %s", topic, record.partition, record.offset, error)
                    continue
                letter = DeadLetter(record.topic, record.partition, record.offset, envelope)
                letter = replace(letter, status=statuses.of(letter))
                if wanted.matches(letter):
                    yield letter

    async def statuses(self) -> Statuses:
        """What was done about every dead letter, as the status topic says now."""
        codec = self.codec(STATUS_TOPIC)
        found = Statuses()
        for record in read(self.client, [STATUS_TOPIC]):
            if record.value is not None and record.key is not None:
                found.note(record.key.decode(), (await codec.decode(record.value)).record)
        return found

    def codec(self, topic: str) -> ValueCodec:
        """The codec of one of the catalogue's topics."""
        if topic not in self._codecs:
            self._codecs[topic] = self.codecs.codec(topic)
        return self._codecs[topic]
