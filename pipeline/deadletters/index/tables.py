"""The tables, and how a row of one becomes what the rest of the program knows.

Times are milliseconds of Unix time, money is in units of 1e-10 US dollars; topics, statuses and words that come again
and again are numbers. Everything that a filter may ask for stands in two covering indexes, by group and by time:
counting a million rows reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pipeline.deadletters.filter import Status
from pipeline.deadletters.index.entry import Coordinates, Entry, Row

FORMAT: Final = 3
"""An index of another format is made anew."""
UNIT: Final = Decimal("1e-10")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TABLES: Final = """
CREATE TABLE topics (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, made TEXT NOT NULL);
CREATE TABLE words (number INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE positions (
  topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE letters (
  number INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, place INTEGER NOT NULL,
  event_id TEXT NOT NULL, tenant_id INTEGER NOT NULL, entity TEXT NOT NULL, enrichment INTEGER NOT NULL,
  stage INTEGER NOT NULL, cause INTEGER NOT NULL, message TEXT NOT NULL, fingerprint INTEGER NOT NULL,
  attempts INTEGER NOT NULL, cost INTEGER NOT NULL,
  received_at INTEGER NOT NULL, first_failed_at INTEGER NOT NULL, failed_at INTEGER NOT NULL,
  source_topic INTEGER NOT NULL, source_partition INTEGER NOT NULL, source_place INTEGER NOT NULL,
  size INTEGER NOT NULL, kept INTEGER NOT NULL, replays INTEGER NOT NULL, last_replay TEXT NOT NULL,
  imported_as TEXT NOT NULL, tries INTEGER NOT NULL, next_try_at INTEGER NOT NULL, status INTEGER NOT NULL
);
CREATE UNIQUE INDEX letters_at ON letters (topic, partition, place);
CREATE INDEX letters_event ON letters (event_id);
CREATE INDEX letters_imported ON letters (imported_as) WHERE imported_as != '';
CREATE INDEX letters_next_try ON letters (status, next_try_at) WHERE next_try_at > 0;
CREATE TABLE notes (
  topic INTEGER NOT NULL, partition INTEGER NOT NULL, place INTEGER NOT NULL, event_id TEXT NOT NULL,
  status TEXT NOT NULL, replay_id TEXT NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (topic, partition, place)
) WITHOUT ROWID;
CREATE INDEX notes_replay ON notes (replay_id);
CREATE TABLE outcomes (
  event_id TEXT NOT NULL, replay_id TEXT NOT NULL, outcome TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (event_id, replay_id)
) WITHOUT ROWID;
CREATE TABLE edits (
  topic INTEGER NOT NULL, partition INTEGER NOT NULL, place INTEGER NOT NULL, event_id TEXT NOT NULL,
  at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, fields TEXT NOT NULL,
  edit_partition INTEGER NOT NULL, edit_place INTEGER NOT NULL,
  PRIMARY KEY (topic, partition, place, edit_partition, edit_place)
) WITHOUT ROWID;
CREATE TABLE operations (
  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, result TEXT NOT NULL,
  why TEXT NOT NULL, letter TEXT NOT NULL, event_id TEXT NOT NULL, replay_id TEXT NOT NULL,
  enrichment TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX operations_letter ON operations (letter);
CREATE INDEX operations_replay ON operations (replay_id);
"""

COVERING: Final = {
    "letters_facts": "fingerprint, status, cause, stage, topic, tenant_id, attempts, failed_at, cost",
    "letters_time": "failed_at, status, cause, stage, topic, tenant_id, fingerprint, attempts",
}
"""The indexes that questions are answered from. A first fill is done without them, and three times as fast: they are
made when it is done, or when somebody asks."""


def word(column: str) -> str:
    """The word that a column's number stands for, as SQL."""
    return f"(SELECT word FROM words WHERE number = {column})"


ENTRY: Final = f"""
  t.name, l.partition, l.place, l.event_id, {word("l.tenant_id")}, l.entity, {word("l.enrichment")}, {word("l.stage")},
  {word("l.cause")}, l.message, {word("l.fingerprint")}, l.attempts, l.cost, l.received_at, l.first_failed_at,
  l.failed_at, {word("l.source_topic")}, l.source_partition, l.source_place, l.size, l.kept, l.replays, l.last_replay,
  l.imported_as, l.tries, l.next_try_at, l.status
"""
"""The columns that `entry_of` takes, of `letters AS l JOIN topics AS t`."""

NUMBERS: Final = {status: number for number, status in enumerate(Status)}
STATUSES: Final = tuple(Status)

STATUS: Final = f"""
  COALESCE((
    SELECT CASE n.status WHEN 'resolved' THEN {NUMBERS[Status.RESOLVED]} WHEN 'opened' THEN {NUMBERS[Status.OPEN]}
    ELSE COALESCE((
      SELECT CASE o.outcome WHEN 'dead' THEN {NUMBERS[Status.DEAD_AGAIN]}
        WHEN 'overtaken' THEN {NUMBERS[Status.OVERTAKEN]} ELSE {NUMBERS[Status.REPLAYED]} END
      FROM outcomes AS o WHERE o.event_id = letters.event_id AND o.replay_id = n.replay_id
    ), {NUMBERS[Status.REPLAYING]}) END
    FROM notes AS n
    WHERE n.topic = letters.topic AND n.partition = letters.partition AND n.place = letters.place
      AND n.event_id = letters.event_id
  ), CASE WHEN letters.next_try_at > 0 THEN {NUMBERS[Status.WAITING]} ELSE {NUMBERS[Status.OPEN]} END)
"""
"""The status of a row of `letters`. A note holds for the event it names: a topic may have been made anew. An outcome
counts only for the replay that a note names, whatever else a publisher may write on its records."""


def milliseconds(at: datetime) -> int:
    """Unix time."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """The point in time, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def words(row: Row) -> tuple[str, ...]:
    """What of a row is kept as numbers."""
    return row.tenant_id, row.enrichment, row.stage, row.cause, row.fingerprint, row.source_topic


def values(row: Row, topics: Mapping[str, int], numbers: Mapping[str, int]) -> tuple[object, ...]:
    """A row for `letters`, without the number: topics and words by the numbers they have."""
    return (
        topics[row[0]],
        *row[1:4],
        numbers[row[4]],
        row[5],
        numbers[row[6]],
        numbers[row[7]],
        numbers[row[8]],
        row[9],
        numbers[row[10]],
        *row[11:16],
        numbers[row[16]],
        *row[17:26],
        NUMBERS[Status.WAITING if row.next_try_at else Status.OPEN],
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """From a row of the columns `ENTRY`, which are those of a `Row`."""
    return Entry(
        at=Coordinates(row[0], row[1], row[2]),
        event_id=row[3],
        tenant_id=row[4],
        entity=row[5],
        enrichment=row[6],
        stage=row[7],
        cause=row[8],
        message=row[9],
        fingerprint=row[10],
        attempts=row[11],
        cost_usd=row[12] * UNIT,
        received_at=moment(row[13]),
        first_failed_at=moment(row[14]),
        failed_at=moment(row[15]),
        source_topic=row[16],
        source_partition=row[17],
        source_offset=row[18],
        size=row[19],
        kept=bool(row[20]),
        replays=row[21],
        last_replay=row[22],
        imported_as=row[23],
        tries=row[24],
        next_try_at=moment(row[25]) if row[25] else None,
        status=STATUSES[row[26]],
    )
