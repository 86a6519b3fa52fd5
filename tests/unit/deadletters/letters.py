"""Dead letters made by the real envelope, for tests."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.catalogue import Enrichment, load
from pipeline.deadletters.desk import Story
from pipeline.deadletters.envelope import Death, envelope
from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Coordinates, Entry
from pipeline.deadletters.index.entry import entry_of
from pipeline.deadletters.reading import DeadLetter
from pipeline.errors import DecodeError
from pipeline.redact import Keyring
from pipeline.settings import CatalogueSettings
from pipeline.stream.record import Record

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


def entry(offset: int = 5, **fields: object) -> Entry:
    """A row of the index; `fields` are its own."""
    made = entry_of(Coordinates(DEAD, 2, offset), letter(offset=offset).envelope)
    return replace(made, **fields)  # type: ignore[arg-type]


def story(of: DeadLetter, **fields: object) -> Story:
    """What the desk would know of it."""
    row = replace(entry_of(of.at, of.envelope), status=of.status)
    return replace(Story(row, of, (), (), ()), **fields)  # type: ignore[arg-type]
