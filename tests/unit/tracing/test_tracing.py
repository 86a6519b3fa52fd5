"""A record's trace: who may not see personal data finds none in it, wherever a publisher put them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from pipeline import tracing
from pipeline.deadletters.history import EVENT_ID
from pipeline.deadletters.index import Coordinates, Entry
from pipeline.errors import UsageError
from pipeline.redact import RedactionPolicy, Redactor
from pipeline.serde import Registry, TopicCodecs
from pipeline.serde.codec import AvroCodec
from pipeline.serde.registry import parsed
from pipeline.settings import RegistrySettings
from pipeline.stream.partitioning import partition_of
from pipeline.stream.reader import Part, Span
from pipeline.stream.record import Record
from pipeline.tracing import Tracer
from tests.unit.deadletters.letters import entry
from tests.unit.processing.test_processor import ANSWER, NOW, TICKET, Bench

EMAIL, NAME, PHONE = "jo.doe@example.com", "Joanna Doe", "415 555 0134"
AT = Coordinates("support.tickets.v1", 3, 42)
PARTITIONS = 3
_MS = int(NOW.timestamp() * 1000)


class _Registry(Registry):
    """Knows the schema of every topic by its place in the list, and asks nobody."""

    def __init__(self, schemas: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(RegistrySettings(url="http://127.0.0.1:9"))
        self._schemas = schemas

    def known(self, schema_id: int) -> Mapping[str, object]:
        return parsed(self._schemas[schema_id])


class Topics:
    """What a processor wrote, as topics of three partitions hold it; `asked` are the partitions that were read."""

    def __init__(self, bench: Bench, event_id: str, ticket: Mapping[str, object]) -> None:
        schemas = [AT.topic, *sorted({output.topic for output in bench.outputs})]
        self.codecs = TopicCodecs(bench.catalogue, RegistrySettings())
        registry = _Registry([bench.catalogue.schema_of(topic).schema for topic in schemas])
        self.codecs.__dict__["registry"] = registry
        value = AvroCodec(registry, bench.catalogue.schema_of(AT.topic).schema, 0).encode(ticket)
        self.asked: list[Sequence[Part]] = []
        headers = ((EVENT_ID, event_id.encode()),)
        self.input = Record(AT.topic, AT.partition, AT.offset, _MS, b"T-1", value, headers)
        self.written = [
            Record(
                output.topic,
                partition_of(output.key or b"", PARTITIONS),
                0,
                _MS,
                output.key,
                b"\0" + schemas.index(output.topic).to_bytes(4) + (output.value or b"")[5:],
                tuple(output.headers),
            )
            for output in bench.outputs
        ]

    def read(self, _: object, topics: Sequence[str], *, start: object, only: Sequence[Part] = ()) -> Iterator[Record]:
        self.asked.append(only)
        return (one for one in self.written if one.topic in topics and (not only or (one.topic, one.partition) in only))

    def pick(self, *_: object) -> Iterator[Record]:
        return iter([self.input])

    def spans(self, _: object, topics: Sequence[str]) -> dict[Part, Span]:
        return {(topic, partition): Span(0, 1) for topic in topics for partition in range(PARTITIONS)}

    def tracer(self, letters: Sequence[Entry] = ()) -> Tracer:
        return Tracer(
            self.codecs,
            {},
            lambda enrichment: Redactor(RedactionPolicy.from_mapping(enrichment.spec.redaction)),
            None,
            lambda _: letters,
        )


async def _topics(monkeypatch: pytest.MonkeyPatch, event_id: str, ticket: Mapping[str, object] = TICKET) -> Topics:
    bench = Bench("tickets", ANSWER)
    await bench.run(ticket, **{EVENT_ID: event_id.encode()})
    topics = Topics(bench, event_id, ticket)
    for name in ("read", "pick", "spans"):
        monkeypatch.setattr(tracing, name, getattr(topics, name))
    return topics


async def test_only_the_partitions_of_its_keys_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = await _topics(monkeypatch, "E-1")
    found = topics.tracer().trace(AT)
    assert (found.notes, [one.outcome for one in found.audited]) == ([], ["ENRICHED"])
    audit, output = topics.asked
    assert audit == [("enrichment.audit.v1", partition_of(b"E-1", PARTITIONS))]
    assert output == [("support.tickets.enriched.v1", partition_of(b"T-1", PARTITIONS))]


async def test_a_look_that_took_too_long_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = await _topics(monkeypatch, "E-1")
    monkeypatch.setattr(tracing, "_LOOKING_S", -1)
    found = topics.tracer().trace(AT)
    assert any("read only up to 2026-03-05 12:00 UTC" in note for note in found.notes)
    with pytest.raises(UsageError, match="before 2026-03-05 12:00 UTC: look from later on"):
        topics.tracer().place("E-1", NOW)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


@pytest.mark.parametrize("readable", [True, False])
async def test_a_redacted_trace_holds_no_personal_value(monkeypatch: pytest.MonkeyPatch, readable: bool) -> None:
    ticket = {**TICKET, "ticket_id": EMAIL, "tenant_id": NAME, "attributes": {PHONE: EMAIL}}
    topics = await _topics(monkeypatch, EMAIL, ticket)
    assert {one.topic for one in topics.written} >= {"support.tickets.enriched.v1", "enrichment.audit.v1"}
    if not readable:
        topics.input = replace(topics.input, value=b"{" + EMAIL.encode())
    dead = entry()
    found = topics.tracer([dead]).trace(AT)
    assert found.output_at is not None
    assert bool(found.prompt) is readable
    assert found.dead_letter == dead.at
    for text in _texts(asdict(found)):
        for value in (EMAIL, NAME, PHONE):
            assert value not in text
    clear = topics.tracer().trace(AT, clear=True)
    assert clear.event_id == EMAIL
    assert EMAIL in clear.output
