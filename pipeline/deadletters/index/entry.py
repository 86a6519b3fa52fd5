"""What the index knows: one row of each kind. Nothing is in it that is not readable in the topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from pipeline.deadletters.filter import Status
from pipeline.errors import UsageError

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
        if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()) or len(parts[2]) > 18:
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
    imported_as: str = ""
    """The id it had where it was exported; empty where it never was."""
    status: Status = Status.OPEN

    @property
    def id(self) -> str:
        """How commands name it."""
        return self.imported_as or str(self.at)


@dataclass(frozen=True, slots=True)
class Note:
    """What a person did about a dead letter: sent it again (`replay_id`) or closed it."""

    letter: Coordinates
    event_id: str
    status: str
    replay_id: str
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event that was sent again: enriched, skipped or dead."""

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


def entry_of(at: Coordinates, envelope: Mapping[str, object], imported_as: str = "") -> Entry:
    """The row of a dead letter. Raises KeyError and TypeError when it is no envelope."""
    source = cast(Mapping[str, object], envelope["source"])
    attempts = cast(list[Mapping[str, object]], envelope["attempts"])
    replays = cast(list[Mapping[str, object]], envelope["replays"])
    size = cast(int, envelope["original_size"])
    return Entry(
        at=at,
        event_id=str(envelope["event_id"]),
        tenant_id=str(envelope["tenant_id"]),
        entity=(str(envelope["entity_id"]) or readable(cast(bytes | None, envelope["key"])) or "")[:LONGEST_TEXT],
        enrichment=str(envelope["enrichment"]),
        stage=str(envelope["stage"]),
        cause=str(envelope["cause"]),
        message=str(envelope["message"])[:LONGEST_TEXT],
        fingerprint=str(envelope["fingerprint"]),
        attempts=len(attempts),
        cost_usd=sum((cast(Decimal, made["cost_usd"]) for made in attempts), Decimal(0)),
        received_at=cast(datetime, envelope["received_at"]),
        first_failed_at=cast(datetime, envelope["first_failed_at"]),
        failed_at=cast(datetime, envelope["failed_at"]),
        source_topic=str(source["topic"]),
        source_partition=cast(int, source["partition"]),
        source_offset=cast(int, source["offset"]),
        size=size,
        kept=envelope["original"] is not None or not size,
        replays=len(replays),
        last_replay=str(replays[-1]["replay_id"]) if replays else "",
        imported_as=imported_as,
    )


def readable(value: bytes | None) -> str | None:
    """Text where the bytes are printable text, else their hexadecimal form."""
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"
