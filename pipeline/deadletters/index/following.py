"""Keeps the index what the topics say: reads on from where it stopped, offsets and rows in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, cast

from pipeline.deadletters.index.entry import LONGEST_TEXT, Coordinates, Edit, Note, Operation, Outcome, row_of
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.index.store import Index
from pipeline.deadletters.ledgers import EDIT_TOPIC, OPERATION_TOPIC, OUTCOME_TOPIC, STATUS_TOPIC
from pipeline.stream.admin import Admin
from pipeline.stream.reader import read, spans
from pipeline.stream.record import Record

_BATCH: Final = 20_000
"""Records to a transaction of the index: about a second's work. In smaller ones a page is written more often."""
_log = logging.getLogger(__name__)


class Topics(Protocol):
    """What following needs of the dead-letter topics."""

    @property
    def client(self) -> Mapping[str, str]: ...
    def topics(self, topic: str | None = None) -> list[str]: ...
    def decoded(self, topic: str, value: bytes | None, *, plain: bool = False) -> Mapping[str, object] | None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Records taken in so far, of about so many."""

    done: int
    total: int


class Follower:
    """Reads what is new in the topics into the index."""

    def __init__(self, topics: Topics, index: Index) -> None:
        self._topics, self._index = topics, index
        self._names = [*topics.topics(), STATUS_TOPIC, OUTCOME_TOPIC, EDIT_TOPIC, OPERATION_TOPIC]
        self._admin: Admin | None = None

    def catch_up(self, told: Callable[[Progress], None] = lambda _: None) -> int:
        """Reads up to where the topics end now; how many records were new.

        Raises UnavailableError when the cluster cannot be reached, UsageError when a topic does not exist.
        """
        self._admin = self._admin or Admin(self._topics.client)
        held = spans(self._topics.client, self._names)
        self._index.match(self._admin.topic_ids(self._names), {part: span.end for part, span in held.items()})
        self._index.forget({part: span.begin for part, span in held.items() if span.begin})
        taken = 0
        while True:
            positions = self._index.positions()
            begins = {part: max(positions.get(part, 0), span.begin) for part, span in held.items()}
            begins = {part: place for part, place in begins.items() if place < held[part].end}
            if not begins:
                self._index.complete()
                return taken
            total = taken + sum(held[part].end - place for part, place in begins.items())
            taken = self._read(begins, positions, {part: held[part].end for part in begins}, taken, total, told)

    def _read(
        self,
        begins: Mapping[tuple[str, int], int],
        positions: Mapping[tuple[str, int], int],
        ends: Mapping[tuple[str, int], int],
        taken: int,
        total: int,
        told: Callable[[Progress], None],
    ) -> int:
        """Reads on from `begins` until all is taken in, or until another process has; the records taken so far."""
        standing = {part: positions.get(part) for part in begins}
        batch, count = Batch(), 0
        for record in read(self._topics.client, list({topic for topic, _ in begins}), start=begins):
            part = record.topic, record.partition
            batch.begins.setdefault(part, standing[part])
            batch.ends[part] = record.offset + 1
            self._sort(record, batch)
            count += 1
            if count == _BATCH:
                if not self._index.take(batch):
                    return taken
                taken += count
                standing |= batch.ends
                batch, count = Batch(), 0
                told(Progress(taken, total))
        # Behind the last record of a partition may stand markers of transactions: they need not be read again.
        batch.begins |= {part: place for part, place in standing.items() if part not in batch.begins}
        batch.ends |= ends
        return taken + count if self._index.take(batch) else taken

    def _sort(self, record: Record, batch: Batch) -> None:
        add = _ADD.get(record.topic)
        found = self._topics.decoded(record.topic, record.value, plain=add is None)
        if found is None:
            return
        try:
            if add is None:
                batch.letters.append(row_of(record, found))
            else:
                add(record, found, batch)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            at = Coordinates(record.topic, record.partition, record.offset)
            _log.warning("%s is not understood (%s)", at, type(error).__name__)


def _add_note(_: Record, found: Mapping[str, object], batch: Batch) -> None:
    batch.notes.append(
        Note(
            letter=_letter(found),
            event_id=str(found["event_id"]),
            status=str(found["status"]).lower(),
            replay_id=str(found["replay_id"]),
            at=_at(found),
            by=_text(found, "by"),
            why=_text(found, "why"),
        )
    )


def _add_outcome(_: Record, found: Mapping[str, object], batch: Batch) -> None:
    batch.outcomes.append(
        Outcome(str(found["event_id"]), str(found["replay_id"]), str(found["outcome"]).lower(), _at(found))
    )


def _add_edit(record: Record, found: Mapping[str, object], batch: Batch) -> None:
    batch.edits.append(
        Edit(
            letter=_letter(found),
            event_id=str(found["event_id"]),
            at=_at(found),
            by=_text(found, "by"),
            why=_text(found, "why"),
            fields=tuple(str(name) for name in cast(Sequence[object], found["fields"])),
            partition=record.partition,
            offset=record.offset,
        )
    )


def _add_operation(_: Record, found: Mapping[str, object], batch: Batch) -> None:
    batch.operations.append(
        Operation(
            at=_at(found),
            by=_text(found, "by"),
            action=_text(found, "action"),
            result=_text(found, "result"),
            why=_text(found, "why"),
            letter=_letter(found) if found["dead_letter"] is not None else None,
            event_id=str(found["event_id"]),
            replay_id=str(found["replay_id"]),
            enrichment=str(found["enrichment"]),
            detail=_text(found, "detail"),
        )
    )


_ADD: Final[Mapping[str, Callable[[Record, Mapping[str, object], Batch], None]]] = {
    STATUS_TOPIC: _add_note,
    OUTCOME_TOPIC: _add_outcome,
    EDIT_TOPIC: _add_edit,
    OPERATION_TOPIC: _add_operation,
}


def _letter(found: Mapping[str, object]) -> Coordinates:
    return Coordinates.of(cast(Mapping[str, object], found["dead_letter"]))


def _at(found: Mapping[str, object]) -> datetime:
    return cast(datetime, found["at"])


def _text(found: Mapping[str, object], name: str) -> str:
    return str(found[name])[:LONGEST_TEXT]
