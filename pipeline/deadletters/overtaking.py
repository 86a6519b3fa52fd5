"""Which dead letters were overtaken: a newer record of the same entity has been enriched since they came in.

Read from the audit, which names every enriched record by its entity and coordinates, without its content. Newer is
what stood later in the same input partition; a record that was sent again counts where its original stood.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pipeline.deadletters.index import Entry, Index
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.stream.reader import Part, read, spans
from pipeline.stream.record import Record

_Entity = tuple[str, str, int]
"""Entity (the key, where a record could not be read), input topic, partition."""
_ENRICHED: Final = "ENRICHED"


@dataclass(frozen=True, slots=True)
class _Enriched:
    """A record that was: whose, and its input offset."""

    tenant: str
    place: int


class Overtaking:
    """Watches for newer records of the entities of some dead letters."""

    def __init__(self, topics: DeadLetterTopics, index: Index, entries: Iterable[Entry]) -> None:
        self._topics, self._index = topics, index
        self._entries = list(entries)
        self._wanted = {_entity(entry) for entry in self._entries}
        self._enriched: defaultdict[_Entity, dict[str, _Enriched]] = defaultdict(dict)
        self._originals: dict[str, int] = {}
        self._positions: dict[Part, int] | None = None

    def look(self, told: Callable[[int], None] = lambda _: None) -> None:
        """Takes in what was enriched since the last look; at first, since the oldest of the dead letters came in."""
        if not self._entries:
            return
        topics = self._audits()
        ends = {part: span.end for part, span in spans(self._topics.client, topics).items()}
        if self._positions is None:
            oldest = min(entry.received_at for entry in self._entries)
            records = read(self._topics.client, topics, start=oldest)
        else:
            begins = {part: place for part, place in self._positions.items() if place < ends[part]}
            records = read(self._topics.client, topics, start=begins) if begins else iter(())
        self._positions = ends
        for count, record in enumerate(records, start=1):
            self._take(record)
            if count % 1000 == 0:
                told(count)

    def overtaken(self, entry: Entry) -> bool:
        """Whether something newer of its entity was enriched, as far as was looked."""
        found = {
            event: one.place
            for event, one in self._enriched.get(_entity(entry), {}).items()
            # A record that could not be read has no tenant that is known.
            if event != entry.event_id and entry.tenant_id in ("", one.tenant)
        }
        if not found:
            return False
        unknown = [event for event in (*found, entry.event_id) if event not in self._originals]
        known = self._index.original_places(unknown)
        self._originals |= {event: known.get(event, found.get(event, entry.source_offset)) for event in unknown}
        mine = self._originals[entry.event_id]
        return any(self._originals[event] > mine for event in found)

    def _take(self, record: Record) -> None:
        audit = self._topics.decoded(record.topic, record.value)
        if audit is None or audit["outcome"] != _ENRICHED:
            return
        source = cast(Mapping[str, object], audit["source"])
        entity = (
            str(audit["entity_id"]),
            str(source["topic"]),
            int(cast(int, source["partition"])),
        )
        if entity in self._wanted:
            # A record that stands twice was sent again: its first place counts.
            event, place = str(audit["event_id"]), int(cast(int, source["offset"]))
            tenant, before = str(audit["tenant_id"]), self._enriched[entity].get(event)
            self._enriched[entity][event] = _Enriched(tenant, min(place, before.place if before else place))

    def _audits(self) -> list[str]:
        catalogue = self._topics.codecs.catalogue
        return sorted({catalogue.enrichment(entry.enrichment).audit.topic for entry in self._entries})


def _entity(entry: Entry) -> _Entity:
    return entry.entity, entry.source_topic, entry.source_partition
