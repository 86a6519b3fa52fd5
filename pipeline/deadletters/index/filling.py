"""Writes what was read from the topics into the index's tables, and what follows from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.deadletters.index import selecting
from pipeline.deadletters.index.entry import Coordinates, Edit, Note, Operation, Outcome, Row
from pipeline.deadletters.index.tables import STATUS, milliseconds, values, words
from pipeline.stream.reader import Part


@dataclass(slots=True)
class Batch:
    """What was read from the topics at one go: from the positions `begins` (None: none yet) up to before `ends`."""

    begins: dict[Part, int | None] = field(default_factory=dict)
    ends: dict[Part, int] = field(default_factory=dict)
    letters: list[Row] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


def numbers_of(db: sqlite3.Connection, batch: Batch) -> dict[str, int]:
    """Topics by the numbers they have here, those that the batch names among them."""
    names = {topic for topic, _ in (*batch.begins, *batch.ends)}
    names.update(letter.topic for letter in batch.letters)
    names.update(note.letter.topic for note in batch.notes)
    names.update(edit.letter.topic for edit in batch.edits)
    db.executemany("INSERT OR IGNORE INTO topics (name, made) VALUES (?, '')", [(name,) for name in names])
    return dict(db.execute("SELECT name, number FROM topics"))


def fill(db: sqlite3.Connection, batch: Batch, numbers: Mapping[str, int]) -> None:
    """Writes all that a batch holds and derives what it changes; `numbers` are those of the topics."""
    before = selecting.last_number(db)
    marks = ", ".join("?" * len(Row._fields))
    known = _words(db, {word for letter in batch.letters for word in words(letter)})
    db.executemany(
        f"INSERT OR REPLACE INTO letters VALUES (NULL, {marks})",
        [values(letter, numbers, known) for letter in batch.letters],
    )
    db.executemany(
        "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *_place(note.letter, numbers),
                note.event_id,
                note.status,
                note.replay_id,
                milliseconds(note.at),
                note.by,
                note.why,
            )
            for note in batch.notes
        ],
    )
    outcomes = [(one.event_id, one.replay_id, one.outcome, milliseconds(one.at)) for one in batch.outcomes]
    outcomes += [
        (died.event_id, died.last_replay, "dead", died.failed_at) for died in batch.letters if died.last_replay
    ]
    db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", outcomes)
    db.executemany(
        "INSERT OR REPLACE INTO edits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *_place(edit.letter, numbers),
                edit.event_id,
                milliseconds(edit.at),
                edit.by,
                edit.why,
                "\n".join(edit.fields),
                edit.partition,
                edit.offset,
            )
            for edit in batch.edits
        ],
    )
    db.executemany(
        "INSERT INTO operations VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                milliseconds(done.at),
                done.by,
                done.action,
                done.result,
                done.why,
                str(done.letter or ""),
                done.event_id,
                done.replay_id,
                done.enrichment,
                done.detail,
            )
            for done in batch.operations
        ],
    )
    _settle(db, before, [_place(note.letter, numbers) for note in batch.notes], [event for event, *_ in outcomes])


def _settle(db: sqlite3.Connection, before: int, noted: Iterable[tuple[int, int, int]], events: Iterable[str]) -> None:
    """Derives the status of every row that something new was said about, in whatever order the topics were read."""
    noted_rows = "SELECT number FROM letters WHERE topic = ? AND partition = ? AND place = ?"
    db.executemany(f"UPDATE letters SET status = {STATUS} WHERE number IN ({noted_rows})", noted)
    db.executemany(f"UPDATE letters SET status = {STATUS} WHERE event_id = ?", [(event,) for event in events])
    if db.execute("SELECT EXISTS (SELECT 1 FROM notes)").fetchone()[0]:
        db.execute(
            f"""
            UPDATE letters SET status = {STATUS} WHERE number IN (
              SELECT l.number FROM letters AS l CROSS JOIN notes AS n
                ON n.topic = l.topic AND n.partition = l.partition AND n.place = l.place
              WHERE l.number > ?
            )
            """,
            [before],
        )


def _place(letter: Coordinates, numbers: Mapping[str, int]) -> tuple[int, int, int]:
    return numbers[letter.topic], letter.partition, letter.offset


def _words(db: sqlite3.Connection, wanted: Iterable[str]) -> dict[str, int]:
    """Words by their numbers; those not seen before get one."""
    found: dict[str, int] = {}
    for word in wanted:
        row = db.execute("SELECT number FROM words WHERE word = ?", [word]).fetchone()
        if row is None:
            row = (db.execute("INSERT INTO words (word) VALUES (?)", [word]).lastrowid,)
        found[word] = row[0]
    return found
