"""What the index knows: one row of each kind. Nothing is in it that is not readable in the topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

from pipeline.deadletters.filter import Status
from pipeline.deadletters.ledgers import IMPORTED_AS
from pipeline.errors import UsageError
from pipeline.stream.record import Record

LONGEST_TEXT = 300
"""Characters of a text that the index keeps: more is never shown in a list."""


@dataclass(frozen=True, slots=True, order=True)
class Coordinates:
    """Where a dead letter stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """How commands name it: `<dead-letter topic>/<partition>/<offset>`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def as_record(self) -> dict[str, object]:
        """As the topics' schemas hold it."""
        return {"topic": self.topic, "partition": self.partition, "offset": self.offset}

    @classmethod
    def parse(cls, text: str) -> Coordinates | None:
        """None when it is not of this form: an event id, perhaps."""
        parts = text.rsplit("/", 2)
        if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
            return None
        # Beyond these no partition and no offset can be: Kafka and the index keep 32 and 64 bits of them.
        if len(parts[1]) > 9 or len(parts[2]) > 18:
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]))

    @classmethod
    def require(cls, text: str) -> Coordinates:
        """Raises UsageError when it is not of this form."""
        found = cls.parse(text)
        if found is None:
            raise UsageError(f"{text} is no dead letter's id: they read <dead-letter topic>/<partition>/<offset>")
        return found

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Coordinates:
        """From the field that records of other topics name a dead letter by."""
        return cls(str(record["topic"]), cast(int, record["partition"]), cast(int, record["offset"]))


@dataclass(frozen=True, slots=True)
class Entry:
    """One dead letter, without its sealed original, headers and preview.

    `source_*` are the coordinates of the input record; `entity` is the key where the entity could not be read.
    """

    at: Coordinates
    event_id: str
    tenant_id: str
    entity: str
    enrichment: str
    stage: str
    cause: str
    message: str
    fingerprint: str
    attempts: int
    cost_usd: Decimal
    received_at: datetime
    first_failed_at: datetime
    failed_at: datetime
    source_topic: str
    source_partition: int
    source_offset: int
    size: int
    """Bytes of the original."""
    kept: bool
    """Whether the original is in the dead letter, so that it can be sent again."""
    replays: int
    """How often its record had been sent again before."""
    last_replay: str
    """The id of the replay after which it died; empty when it never was sent again."""
    imported_as: str
    """The id it had where it was exported; empty where it never was."""
    tries: int
    """How often its record had been sent again by itself."""
    next_try_at: datetime | None
    """When it is, or was, sent again by itself; None: never, and never where it was imported."""
    status: Status

    @property
    def id(self) -> str:
        """How commands name it."""
        return self.imported_as or str(self.at)


@dataclass(frozen=True, slots=True)
class Note:
    """What was done about a dead letter, by a person or as its second chance: sent again (`replay_id`), closed, or
    opened, as it cannot be sent by itself."""

    letter: Coordinates
    event_id: str
    status: str
    replay_id: str
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event that was sent again: enriched, skipped, dead, or overtaken by a newer one."""

    event_id: str
    replay_id: str
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Edit:
    """That a dead letter's value was mended, and where the mended value stands."""

    letter: Coordinates
    event_id: str
    at: datetime
    by: str
    why: str
    fields: tuple[str, ...]
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a person did, as the audit has it."""

    at: datetime
    by: str
    action: str
    result: str
    why: str = ""
    letter: Coordinates | None = None
    event_id: str = ""
    replay_id: str = ""
    enrichment: str = ""
    detail: str = ""


class Row(NamedTuple):
    """One dead letter as the index keeps it, in the order of its columns: times are milliseconds of Unix time, the cost
    is in units of 1e-10 US dollars, as the dead letter has it. What comes again and again is still a word."""

    topic: str
    partition: int
    place: int
    event_id: str
    tenant_id: str
    entity: str
    enrichment: str
    stage: str
    cause: str
    message: str
    fingerprint: str
    attempts: int
    cost: int
    received_at: int
    first_failed_at: int
    failed_at: int
    source_topic: str
    source_partition: int
    source_place: int
    size: int
    kept: bool
    replays: int
    last_replay: str
    imported_as: str
    tries: int
    next_try_at: int
    """0: never."""
    status: int


def row_of(record: Record, plain: Mapping[str, Any]) -> Row:
    """The row of a dead letter that was read without logical types. Raises KeyError and TypeError when it is none."""
    source = plain["source"]
    replays = plain["replays"]
    size = plain["original_size"]
    imported_as = _imported_as(record) if record.headers else ""
    return Row(
        record.topic,
        record.partition,
        record.offset,
        plain["event_id"],
        plain["tenant_id"],
        (plain["entity_id"] or readable(plain["key"]) or "")[:LONGEST_TEXT],
        plain["enrichment"],
        plain["stage"],
        plain["cause"],
        plain["message"][:LONGEST_TEXT],
        plain["fingerprint"],
        len(plain["attempts"]),
        # Avro's decimal: two's complement, big-endian.
        sum([int.from_bytes(made["cost_usd"], signed=True) for made in plain["attempts"]]),
        plain["received_at"],
        plain["first_failed_at"],
        plain["failed_at"],
        source["topic"],
        source["partition"],
        source["offset"],
        size,
        plain["original"] is not None or not size,
        len(replays),
        replays[-1]["replay_id"] if replays else "",
        imported_as,
        plain["tries"],
        # What was imported is tried again where it was exported, if anywhere.
        0 if imported_as else plain["next_try_at"] or 0,
        0,
    )


def _imported_as(record: Record) -> str:
    found = next((value for name, value in record.headers if name == IMPORTED_AS), None) or b""
    return found.decode("utf-8", "replace")


def readable(value: bytes | None) -> str | None:
    """Text where the bytes are printable text, else their hexadecimal form."""
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"
