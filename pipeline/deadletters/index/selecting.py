"""Questions to the index, as SQL. A filter's values are parameters, never text of a statement."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index.entry import Coordinates, Edit, Entry, Operation
from pipeline.deadletters.index.grouping import Group, Stats, trend
from pipeline.deadletters.index.tables import ENTRY, NUMBERS, STATUSES, UNIT, entry_of, milliseconds, moment, word

PERIOD = timedelta(hours=1)
"""What a trend compares."""
_JOINED = "letters AS l JOIN topics AS t ON t.number = l.topic"
_Values = list[object]


def select(db: sqlite3.Connection, wanted: Filter, limit: int = 0) -> list[Entry]:
    """Those that match, by time of death; of more than `limit` the newest, 0: all."""
    where, values = _where(wanted)
    chosen = f"SELECT l.number FROM {_source(wanted, 'letters_time')} WHERE {where} ORDER BY l.failed_at DESC LIMIT ?"
    rows = db.execute(f"SELECT {ENTRY} FROM {_JOINED} WHERE l.number IN ({chosen})", [*values, limit or -1])
    return sorted((entry_of(row) for row in rows), key=lambda one: (one.failed_at, one.at))


def newer(db: sqlite3.Connection, wanted: Filter, number: int) -> tuple[list[Entry], int]:
    """Those that match and came into the index after the row `number`, in that order; and the last row now."""
    where, values = _where(wanted)
    asked = f"SELECT {ENTRY} FROM {_JOINED} WHERE l.number > ? AND {where} ORDER BY l.number"
    rows = db.execute(asked, [number, *values])
    return [entry_of(row) for row in rows], last_number(db)


def last_number(db: sqlite3.Connection) -> int:
    """The row that came last."""
    return int(db.execute("SELECT COALESCE(MAX(number), 0) FROM letters").fetchone()[0])


def causes(db: sqlite3.Connection, wanted: Filter) -> Counter[str]:
    """How many match, by cause."""
    where, values = _where(wanted)
    asked = f"SELECT {word('l.cause')}, COUNT(*) FROM {_source(wanted)} WHERE {where} GROUP BY l.cause"
    return Counter(dict(db.execute(asked, values)))


def groups(db: sqlite3.Connection, wanted: Filter, now: datetime) -> list[Group]:
    """By fingerprint, the largest first. The trend is of the hour before `now` and the hour before that."""
    where, values = _where(wanted)
    recent, before = milliseconds(now - PERIOD), milliseconds(now - 2 * PERIOD)
    rows = db.execute(
        f"""
        SELECT {word("g.fingerprint")}, {word("g.cause")}, {word("g.stage")}, g.*, x.message, t.name, x.partition,
               x.place, {word("x.enrichment")}, x.imported_as FROM (
          SELECT l.fingerprint, l.cause, l.stage, COUNT(*) AS count, SUM(l.failed_at >= ?),
                 SUM(l.failed_at >= ? AND l.failed_at < ?), MIN(l.failed_at), MAX(l.failed_at),
                 COUNT(DISTINCT l.tenant_id), SUM(l.cost), MAX(l.number) AS example
          FROM {_source(wanted)} WHERE {where} GROUP BY l.fingerprint
        ) AS g JOIN letters AS x ON x.number = g.example JOIN topics AS t ON t.number = x.topic
        ORDER BY g.count DESC, 1
        """,
        [recent, before, recent, *values],
    )
    return [
        Group(
            fingerprint=row[0],
            cause=row[1],
            stage=row[2],
            enrichment=row[18],
            message=row[14],
            count=row[6],
            recent=row[7],
            trend=trend(row[7], row[8], row[6] - row[7] - row[8]),
            first_seen=moment(row[9]),
            last_seen=moment(row[10]),
            tenants=row[11],
            cost_usd=row[12] * UNIT,
            example=row[19] or str(Coordinates(row[15], row[16], row[17])),
        )
        for row in rows
    ]


def stats(db: sqlite3.Connection, wanted: Filter) -> Stats:
    """Numbers by everything there is a closed list of, and by tenant."""
    where, values = _where(wanted)
    found: dict[str, Counter[str]] = {name: Counter() for name in ("status", "cause", "stage", "topic", "tenant")}
    total = cost = 0
    oldest: int | None = None
    # In the order of the covering index: nothing has to be sorted.
    rows = db.execute(
        f"""
        SELECT status, {word("cause")}, {word("stage")}, (SELECT name FROM topics WHERE number = topic),
               {word("tenant_id")}, count, cost, first FROM (
          SELECT l.status, l.cause, l.stage, l.topic, l.tenant_id, COUNT(*) AS count, SUM(l.cost) AS cost,
                 MIN(l.failed_at) AS first
          FROM {_source(wanted)} WHERE {where}
          GROUP BY l.fingerprint, l.status, l.cause, l.stage, l.topic, l.tenant_id
        )
        """,
        values,
    )
    for status, *names, count, paid, first in rows:
        total, cost = total + count, cost + paid
        for counter, name in zip(found.values(), [STATUSES[status].value, *names], strict=True):
            counter[name] += count
        if STATUSES[status] is Status.OPEN:
            oldest = first if oldest is None else min(oldest, first)
    told = {name: dict(counter.most_common()) for name, counter in found.items()}
    return Stats(
        total,
        by_status=told["status"],
        by_cause=told["cause"],
        by_stage=told["stage"],
        by_topic=told["topic"],
        by_tenant=told["tenant"],
        cost_usd=cost * UNIT,
        oldest_open=None if oldest is None else moment(oldest),
        next_try_at=_next_try_at(db) if Status.WAITING.value in told["status"] else None,
    )


def _next_try_at(db: sqlite3.Connection) -> datetime | None:
    asked = "SELECT MIN(next_try_at) FROM letters WHERE status = ? AND next_try_at > 0"
    found = db.execute(asked, [NUMBERS[Status.WAITING]]).fetchone()[0]
    return None if found is None else moment(found)


def statuses(db: sqlite3.Connection, replay_id: str) -> Counter[Status]:
    """How those stand that one replay sent."""
    rows = db.execute(
        """
        SELECT l.status, COUNT(*) FROM notes AS n JOIN letters AS l
          ON l.topic = n.topic AND l.partition = n.partition AND l.place = n.place AND l.event_id = n.event_id
        WHERE n.replay_id = ? GROUP BY l.status
        """,
        [replay_id],
    )
    return Counter({STATUSES[status]: count for status, count in rows})


def original_places(db: sqlite3.Connection, event_ids: Sequence[str]) -> dict[str, int]:
    """Event to the input offset at which it first stood, as far as its dead letters are still known."""
    found: dict[str, int] = {}
    for few in _few(event_ids):
        marks = ", ".join("?" * len(few))
        found |= dict(
            db.execute(
                f"SELECT event_id, MIN(source_place) FROM letters WHERE event_id IN ({marks}) GROUP BY event_id", few
            )
        )
    return found


def edits(db: sqlite3.Connection, letter: Coordinates) -> list[Edit]:
    """How a dead letter's value was mended, the newest last."""
    rows = db.execute(
        """
        SELECT e.event_id, e.at, e.who, e.why, e.fields, e.edit_partition, e.edit_place
        FROM edits AS e JOIN topics AS t ON t.number = e.topic
        WHERE t.name = ? AND e.partition = ? AND e.place = ? ORDER BY e.edit_partition, e.edit_place
        """,
        [letter.topic, letter.partition, letter.offset],
    )
    return [
        Edit(letter, event_id, moment(at), by, why, tuple(filter(None, fields.split("\n"))), partition, place)
        for event_id, at, by, why, fields, partition, place in rows
    ]


def newest_edits(db: sqlite3.Connection, letters: Sequence[Coordinates]) -> list[Edit]:
    """Of each of these dead letters that was mended, the edit that stands."""
    if not db.execute("SELECT EXISTS (SELECT 1 FROM edits)").fetchone()[0]:
        return []
    return [found[-1] for letter in letters if (found := edits(db, letter))]


def operations(db: sqlite3.Connection, letter: Coordinates | None = None, limit: int = 0) -> list[Operation]:
    """What people did, with one dead letter or at all; the newest last."""
    return _operations(db, "letter = ?" if letter else "1", [str(letter)] if letter else [], limit)


def replays(db: sqlite3.Connection, replay_id: str = "", limit: int = 0) -> list[Operation]:
    """Beginnings and ends of one replay, or of all; the newest last."""
    condition, values = ("replay_id = ?", [replay_id]) if replay_id else ("replay_id > '' AND action = 'replay'", [])
    return _operations(db, condition, values, limit)


def _operations(db: sqlite3.Connection, condition: str, values: Sequence[str], limit: int) -> list[Operation]:
    rows = db.execute(
        f"""
        SELECT at, who, action, result, why, letter, event_id, replay_id, enrichment, detail FROM operations
        WHERE {condition} ORDER BY number DESC LIMIT ?
        """,
        [*values, limit or -1],
    ).fetchall()
    return [
        Operation(moment(at), by, action, result, why, Coordinates.parse(about), *others)
        for at, by, action, result, why, about, *others in reversed(rows)
    ]


def _source(wanted: Filter, covering: str = "letters_facts") -> str:
    """The rows, read by a covering index; those named by ids have indexes of their own."""
    return "letters AS l" if wanted.ids else f"letters AS l INDEXED BY {covering}"


def _where(wanted: Filter) -> tuple[str, _Values]:
    conditions, values = ["1"], list[object]()
    for column, allowed in (
        ("cause", wanted.causes),
        ("stage", wanted.stages),
        ("tenant_id", wanted.tenants),
        ("fingerprint", wanted.fingerprints),
    ):
        if allowed:
            marks = ", ".join("?" * len(allowed))
            conditions.append(f"l.{column} IN (SELECT number FROM words WHERE word IN ({marks}))")
            values += allowed
    if wanted.statuses:
        conditions.append(f"l.status IN ({', '.join('?' * len(wanted.statuses))})")
        values += [NUMBERS[status] for status in wanted.statuses]
    if wanted.topics:
        conditions.append(
            f"l.topic IN (SELECT number FROM topics WHERE name IN ({', '.join('?' * len(wanted.topics))}))"
        )
        values += wanted.topics
    if wanted.since is not None:
        conditions.append("l.failed_at >= ?")
        values.append(milliseconds(wanted.since))
    if wanted.until is not None:
        conditions.append("l.failed_at < ?")
        values.append(milliseconds(wanted.until))
    if wanted.attempts:
        conditions.append("l.attempts >= ?")
        values.append(wanted.attempts)
    if wanted.ids:
        conditions.append("l.number IN (SELECT number FROM wanted_ids)")
    return " AND ".join(conditions), values


def name_ids(db: sqlite3.Connection, wanted: Filter) -> None:
    """Puts the rows that the filter's ids mean where its statement finds them: there may be more than SQL takes."""
    if not wanted.ids:
        return
    db.execute("CREATE TEMP TABLE IF NOT EXISTS wanted_ids (number INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM wanted_ids")
    for text in wanted.ids:
        at = Coordinates.parse(text)
        if at is not None:
            db.execute(
                """
                INSERT OR IGNORE INTO wanted_ids SELECT number FROM letters
                WHERE topic = (SELECT number FROM topics WHERE name = ?) AND partition = ? AND place = ?
                """,
                [at.topic, at.partition, at.offset],
            )
        for column in ("event_id", "imported_as"):
            more = f"INSERT OR IGNORE INTO wanted_ids SELECT number FROM letters WHERE {column} = ? AND {column} != ''"
            db.execute(more, [text])


def _few(items: Sequence[str], most: int = 500) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), most):
        yield items[start : start + most]
