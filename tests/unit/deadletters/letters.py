"""Dead letters made by the real envelope, for tests."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from pipeline.catalogue import Enrichment, load
from pipeline.deadletters.desk import Story
from pipeline.deadletters.envelope import Death, envelope
from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Coordinates, Entry
from pipeline.deadletters.index.entry import Row, row_of
from pipeline.deadletters.index.tables import UNIT, entry_of, milliseconds
from pipeline.deadletters.reading import DeadLetter
from pipeline.errors import DecodeError
from pipeline.serde import AvroCodec, AvroDecoder, Registry, decode_now
from pipeline.serde.registry import parsed
from pipeline.settings import CatalogueSettings, RegistrySettings
from pipeline.stream.record import Headers, Record
from pipeline.vault import Keyring

DEAD = "support.tickets.v1.dead-letters"
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
KEYRING = Keyring({"k1": bytes(32)})
RECORD = Record(
    topic="support.tickets.v1",
    partition=3,
    offset=17,
    timestamp_ms=1_772_712_000_000,
    key=b"T-1",
    value=b'{"body": "write to jo.doe@example.com"}',
    headers=(("event-id", b"E-1"), ("traceparent", b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")),
)


@functools.cache
def tickets() -> Enrichment:
    return load(CatalogueSettings()).enrichment("tickets")


def death(error: Exception | None = None, record: Record = RECORD, **fields: str) -> Death:
    return replace(Death(record, "E-1", error or DecodeError("not JSON (at byte 3)")), **fields)  # type: ignore[arg-type]


def letter(
    error: Exception | None = None,
    record: Record = RECORD,
    *,
    now: datetime = NOW,
    offset: int = 5,
    status: Status = Status.OPEN,
    whole: bool = True,
    **fields: str,
) -> DeadLetter:
    told = envelope(death(error, record, **fields), tickets(), KEYRING, now, whole=whole)
    return DeadLetter(Coordinates(DEAD, 2, offset), told, status)


def row(offset: int = 5, of: DeadLetter | None = None, headers: Headers = (), **columns: object) -> Row:
    """A row of the index as reading the topic makes it, with `headers` on it; `columns` are its own."""
    of = of or letter(offset=offset)
    written, plain = _codecs()
    record = Record(of.at.topic, of.at.partition, of.at.offset, 0, b"T-1", written.encode(of.envelope), headers)
    made = row_of(record, decode_now(plain, record.value or b"").record)
    return made._replace(**{name: _stored(value) for name, value in columns.items()})  # type: ignore[arg-type]


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return milliseconds(value)
    return int(value / UNIT) if isinstance(value, Decimal) else value


@functools.cache
def _codecs() -> tuple[AvroCodec, AvroDecoder]:
    schema = load(CatalogueSettings()).schema_of(DEAD).schema
    registry = _KnownRegistry()
    return AvroCodec(registry, schema, 1), AvroDecoder(registry, schema, bounded=False, plain=True)


class _KnownRegistry(Registry):
    """Knows the dead letters' schema and asks nobody."""

    def __init__(self) -> None:
        super().__init__(RegistrySettings(url="http://127.0.0.1:9"))

    def known(self, schema_id: int) -> Mapping[str, object]:
        return parsed(load(CatalogueSettings()).schema_of(DEAD).schema)


def entry(offset: int = 5, of: DeadLetter | None = None, **fields: object) -> Entry:
    """The same as a person sees it."""
    return replace(entry_of(row(offset, of)), **fields)  # type: ignore[arg-type]


def story(of: DeadLetter, **fields: object) -> Story:
    """What the desk would know of it."""
    return replace(Story(entry(of=of, status=of.status), of, (), (), ()), **fields)  # type: ignore[arg-type]
