"""A dead letter's story as its page tells it; nothing of the record that a publisher wrote is in it unredacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, cast

from pipeline.deadletters.desk import Story
from pipeline.deadletters.envelope import EVENT_ID
from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Edit, Entry, Operation

_PLAIN: Final = frozenset({EVENT_ID, "traceparent"})
"""Headers whose form is fixed; of any other only the name is told, its value is the publisher's."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows."""

    entry: Entry
    facts: Mapping[str, object]
    """The envelope without the sealed original, key and headers."""
    attempts: Sequence[Mapping[str, object]]
    replays: Sequence[Mapping[str, object]]
    headers: Sequence[tuple[str, str]]
    """Name and value; an empty value is hidden."""
    edits: Sequence[Edit]
    operations: Sequence[Operation]
    others: Sequence[Entry]
    cost_usd: Decimal
    first_failed_at: datetime

    @property
    def open(self) -> bool:
        """Whether it can be mended, sent or closed."""
        return self.entry.status is Status.OPEN


def told(story: Story) -> Told:
    """From what the desk knows."""
    envelope = story.letter.envelope
    headers = cast(Sequence[Mapping[str, object]], envelope["headers"])
    attempts = cast(Sequence[Mapping[str, object]], envelope["attempts"])
    return Told(
        entry=story.entry,
        facts={name: value for name, value in envelope.items() if name not in ("original", "key", "headers")},
        attempts=attempts,
        replays=cast(Sequence[Mapping[str, object]], envelope["replays"]),
        headers=[(str(one["name"]), _plain(str(one["name"]), one["value"])) for one in headers],
        edits=story.edits,
        operations=story.operations,
        others=story.later,
        cost_usd=sum((cast(Decimal, made["cost_usd"]) for made in attempts), Decimal(0)),
        first_failed_at=cast(datetime, envelope["first_failed_at"]),
    )


def _plain(name: str, value: object) -> str:
    return value.decode("ascii", "replace") if name in _PLAIN and isinstance(value, bytes) else ""
