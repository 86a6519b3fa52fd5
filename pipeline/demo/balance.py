"""The balance of one run: what went in, what came out, in which order. From records that were read, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Sent:
    """A record in the input topic. Times are Unix milliseconds, here and below."""

    event_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Came:
    """An output or a dead letter: where it stands, and the input record that it stands for."""

    event_id: str
    key: bytes | None
    partition: int
    offset: int
    source_partition: int
    source_offset: int
    at_ms: int
    cause: str | None = None
    """Of a dead letter."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A usage record."""

    calls: int
    cost_usd: Decimal
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """Input = enriched + dead letters, each once and in order; or it says what is wrong."""

    published: int
    enriched: int
    dead_letters: Mapping[str, int]
    """Count by cause."""
    missing: int
    """Input records that have neither output nor dead letter."""
    strange: int
    """Outputs and dead letters of no input record."""
    duplicates: int
    """Outputs and dead letters beyond the first of an input record."""
    out_of_order: int
    """Outputs that came after one of a later record of their key, or in another partition than their key's."""
    keys: int
    """Keys with more than one output: those whose order means something."""
    calls: int
    cached: int
    """Records answered without a call."""
    cost_usd: Decimal
    seconds: float
    """From the first record in to the last one out."""

    @property
    def closes(self) -> bool:
        """Whether every record is accounted for, once and in order."""
        accounted = self.enriched + sum(self.dead_letters.values())
        return self.published == accounted and not (
            self.missing or self.strange or self.duplicates or self.out_of_order
        )


def balance(sent: Sequence[Sent], enriched: Sequence[Came], dead: Sequence[Came], paid: Iterable[Paid]) -> Balance:
    """The balance of what was read. Each of the sequences may be in any order."""
    published = {record.event_id for record in sent}
    first: dict[str, Came] = {}
    for record in sorted([*enriched, *dead], key=lambda record: record.at_ms):
        first.setdefault(record.event_id, record)
    known = [record for event_id, record in first.items() if event_id in published]
    ends = [record.at_ms for record in first.values()]
    bill = list(paid)
    return Balance(
        published=len(sent),
        enriched=sum(record.cause is None for record in known),
        dead_letters=dict(sorted(Counter(record.cause for record in known if record.cause is not None).items())),
        missing=len(published - first.keys()),
        strange=len(first.keys() - published),
        duplicates=len(enriched) + len(dead) - len(first),
        out_of_order=out_of_order(enriched),
        keys=sum(count > 1 for count in Counter(record.key for record in enriched).values()),
        calls=sum(item.calls for item in bill),
        cached=sum(item.cached for item in bill),
        cost_usd=sum((item.cost_usd for item in bill), Decimal(0)),
        seconds=(max(ends) - min(record.at_ms for record in sent)) / 1000 if ends and sent else 0.0,
    )


def out_of_order(outputs: Iterable[Came]) -> int:
    """How many outputs break the order of their key: that of its input records, all in one partition."""
    newest: dict[tuple[bytes | None, int], int] = {}
    place: dict[tuple[bytes | None, int], int] = {}
    wrong = 0
    for record in sorted(outputs, key=lambda record: (record.partition, record.offset)):
        if record.key is None:
            continue
        lane = record.key, record.source_partition
        if record.source_offset < newest.get(lane, -1) or place.setdefault(lane, record.partition) != record.partition:
            wrong += 1
        newest[lane] = max(newest.get(lane, -1), record.source_offset)
    return wrong
