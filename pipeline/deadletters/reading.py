"""Dead letters out of their topics, each whole: found by its coordinates and decoded."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Coordinates
from pipeline.errors import RecordError, UsageError
from pipeline.serde import Decoder, TopicCodecs, ValueCodec, decode_now
from pipeline.stream.reader import pick

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter with all that it holds, and how it stands."""

    at: Coordinates
    envelope: Mapping[str, object]
    status: Status = Status.OPEN

    @property
    def id(self) -> str:
        """How commands name it: `<dead-letter topic>/<partition>/<offset>`."""
        return str(self.at)

    def text(self, name: str) -> str:
        """A field of the envelope as text."""
        return str(self.envelope[name])

    @property
    def source(self) -> Mapping[str, object]:
        """Where the input record stands."""
        return cast(Mapping[str, object], self.envelope["source"])

    @property
    def received_at(self) -> datetime:
        """When the original first reached Kafka."""
        return cast(datetime, self.envelope["received_at"])

    @property
    def failed_at(self) -> datetime:
        return cast(datetime, self.envelope["failed_at"])


@dataclass(slots=True)
class DeadLetterTopics:
    """The dead-letter topics of a catalogue on one cluster. `client` is what all clients of the cluster share."""

    codecs: TopicCodecs
    client: Mapping[str, str]
    _codecs: dict[str, ValueCodec] = field(default_factory=dict)
    _decoders: dict[tuple[str, bool], Decoder] = field(default_factory=dict)

    def topics(self, topic: str | None = None) -> list[str]:
        """All dead-letter topics, or that of an input topic or itself. Raises UsageError when it is neither."""
        pairs = {e.input.topic: e.dead_letters.topic for e in self.codecs.catalogue.enrichments.values()}
        if topic is None:
            return sorted(set(pairs.values()))
        found = pairs.get(topic, topic)
        if found not in pairs.values():
            raise UsageError(f"{topic} has no dead letters; there are: {', '.join(sorted(pairs.values()))}")
        return [found]

    def letters(self, wanted: Iterable[tuple[Coordinates, Status]]) -> Iterator[DeadLetter]:
        """These dead letters, in no order; what its topic no longer holds is left out."""
        stands = dict(wanted)
        places: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for at in stands:
            places[at.topic, at.partition].append(at.offset)
        for record in pick(self.client, places):
            at = Coordinates(record.topic, record.partition, record.offset)
            if (envelope := self.decoded(record.topic, record.value)) is not None:
                yield DeadLetter(at, envelope, stands[at])

    def decoded(self, topic: str, value: bytes | None, *, plain: bool = False) -> Mapping[str, object] | None:
        """A value of one of the topics; None, and a word in the log, when it is none of its records.

        `plain`: its times and exact amounts are the numbers and bytes that Avro holds.
        """
        if value is None:
            return None
        decoder = self._decoders.get((topic, plain))
        if decoder is None:
            decoder = self._decoders[topic, plain] = self.codecs.decoder(topic, plain=plain)
        try:
            return decode_now(decoder, value).record
        except RecordError as error:
            _log.warning("a record of %s cannot be read: %s", topic, error)
            return None

    def codec(self, topic: str) -> ValueCodec:
        """The codec of one of the catalogue's topics."""
        if topic not in self._codecs:
            self._codecs[topic] = self.codecs.codec(topic)
        return self._codecs[topic]


def in_order(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """As their originals first reached Kafka: records of one key keep their order."""
    return sorted(letters, key=lambda letter: (letter.received_at, cast(int, letter.source["offset"]), letter.at))
