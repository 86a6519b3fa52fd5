"""Whether something newer of an entity was enriched since a record of it died: what overtakes a second chance.

A record that is sent again by itself comes behind all that its key had meanwhile, so when it is its turn, everything
newer is finished. What of it is committed stands in the output topic; what is not yet is among the last that this
worker finished, and they are remembered.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from pipeline.catalogue import Enrichment
from pipeline.deadletters.asking import Asking
from pipeline.deadletters.history import FIRST_OFFSET
from pipeline.errors import RecordError
from pipeline.serde import Decoder, decode_now
from pipeline.stream.partitioning import partition_of
from pipeline.stream.reader import read, spans
from pipeline.stream.record import Record

_log = logging.getLogger(__name__)
_CLOCKS: Final = timedelta(minutes=5)
"""By how much workers' clocks may differ."""


@dataclass(frozen=True, slots=True)
class Stood:
    """A record of an entity, and where it first stood."""

    partition: int
    key: bytes
    tenant_id: str
    entity_id: str
    place: int


Scan = Callable[[Mapping[Stood, datetime]], set[Stood]]
"""Those of the records, each with the time since when, to which there is an output as new or newer. Blocks; raises
UnavailableError."""


@dataclass(slots=True)
class Newer:
    """One enrichment's, in one worker; on the event loop. `most` records are remembered: at least as many as the engine
    holds without having committed them."""

    scan: Scan
    most: int
    again: timedelta = timedelta(seconds=1)
    """Between two attempts to read, while Kafka is away."""
    _finished: OrderedDict[tuple[int, bytes, str, str], int] = field(default_factory=OrderedDict)
    _asking: Asking[Stood, datetime] = field(init=False)

    def __post_init__(self) -> None:
        self._asking = Asking("records that were sent again", self.scan, self.again)

    def enriched(self, one: Stood) -> None:
        """Takes in that a record was."""
        entity = (one.partition, one.key, one.tenant_id, one.entity_id)
        place = max(one.place, self._finished.pop(entity, -1))
        self._finished[entity] = place
        if len(self._finished) > self.most:
            self._finished.popitem(last=False)

    def unwritten(self, one: Stood) -> None:
        """Takes in that it was not after all."""
        entity = (one.partition, one.key, one.tenant_id, one.entity_id)
        if self._finished.get(entity) == one.place:
            del self._finished[entity]

    def forget(self, partitions: Collection[int]) -> None:
        """Takes in that these are this worker's anew: what it finished of them before may have come to nothing."""
        for entity in [entity for entity in self._finished if entity[0] in partitions]:
            del self._finished[entity]

    async def overtaken(self, one: Stood, since: datetime) -> bool:
        """Whether a newer record of the entity was enriched since then. Waits while Kafka is away; raises whatever else
        the scan raises."""
        if self._finished.get((one.partition, one.key, one.tenant_id, one.entity_id), -1) > one.place:
            return True
        return await self._asking.ask(one, since)


def scanning(client: Mapping[str, str], enrichment: Enrichment, decoder: Decoder) -> Scan:
    """Looks in the output topic of an enrichment, in the partitions to which the keys belong."""
    topic, spec = enrichment.output.topic, enrichment.spec

    def newer(record: Record, than: Sequence[Stood]) -> list[Stood]:
        try:
            output = decode_now(decoder, record.value or b"").record
        except RecordError as error:
            _log.warning("a record of %s cannot be read: %s", topic, error)
            return []
        source = cast(Mapping[str, object], output["source"])
        first = next((value for name, value in record.headers if name == FIRST_OFFSET), None)
        place = int(first) if first is not None else cast(int, source["offset"])
        return [
            one
            for one in than
            if (source["topic"], source["partition"]) == (spec.input, one.partition)
            and (str(output["tenant_id"]), str(output[spec.entity])) == (one.tenant_id, one.entity_id)
            # Its own place: it came out already, and stands there once more.
            and place >= one.place
        ]

    def scan(wanted: Mapping[Stood, datetime]) -> set[Stood]:
        parts = sorted(spans(client, [topic]))
        if "partitioner" not in client:
            parts = sorted({(topic, partition_of(one.key, len(parts))) for one in wanted})
        by_key: defaultdict[bytes, list[Stood]] = defaultdict(list)
        for one in wanted:
            by_key[one.key].append(one)
        since = min(wanted.values()) - _CLOCKS
        found: set[Stood] = set()
        for record in read(client, [topic], start=since, only=parts, settled=True):
            if record.key is not None and (than := by_key.get(record.key)):
                found.update(newer(record, than))
        return found

    return scan
