"""The index as a file: opened or made anew, filled in batches, asked."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import filling, selecting
from pipeline.deadletters.index.entry import Coordinates, Edit, Entry, Operation
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.index.grouping import Group, Stats
from pipeline.deadletters.index.tables import COVERING, FORMAT, TABLES
from pipeline.errors import UsageError
from pipeline.stream.reader import Part

_log = logging.getLogger(__name__)
_PATIENCE_S: Final = 60.0
"""For another process that writes."""
_CACHE_KIB: Final = 128 << 10
_CHECKPOINT_PAGES: Final = 16_000
"""64 MiB: at the usual 4 MiB a first catch-up writes every page of an index over and over."""


class Index:
    """One cluster's dead letters. For several threads and processes; what one of them has read all of them know.

    Losing the file loses nothing: it is made of the topics again. Raises UsageError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Opens the index at `path`; one that is damaged or of another format is made anew, empty."""
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._db = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise
                _log.warning("the index of dead letters cannot be read and is made anew")
                for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                    file.unlink(missing_ok=True)
                self._db = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"the index of dead letters cannot be kept at {path} ({type(error).__name__})") from None

    def close(self) -> None:
        """No more questions."""
        self._db.close()

    # ---- filling

    def positions(self) -> dict[Part, int]:
        """Where reading goes on, by topic and partition."""
        with self._reading() as db:
            return _positions(db)

    def match(self, made: Mapping[str, str], ends: Mapping[Part, int]) -> bool:
        """Whether all that was indexed is of these topics (name to id) and ends before theirs; if not, it is wiped."""
        with self._writing() as db:
            known = dict(db.execute("SELECT name, made FROM topics"))
            other = any(known.get(topic, identity) not in (identity, "") for topic, identity in made.items())
            beyond = any(place > ends.get(part, place) for part, place in _positions(db).items())
            if other or beyond:
                _log.warning("topics were made anew: the index of dead letters is, too")
                _wipe(db)
            for topic, identity in made.items():
                db.execute(
                    """
                    INSERT INTO topics (name, made) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET made = excluded.made
                    """,
                    [topic, identity],
                )
            return not (other or beyond)

    def take(self, batch: Batch) -> bool:
        """Takes a batch and its offsets in, in one transaction.

        False, and nothing is taken, when another process has read on meanwhile.
        """
        with self._writing() as db:
            numbers = filling.numbers_of(db, batch)
            for (topic, partition), begin in batch.begins.items():
                row = db.execute(
                    "SELECT next FROM positions WHERE topic = ? AND partition = ?", [numbers[topic], partition]
                ).fetchone()
                if (None if row is None else row[0]) != begin:
                    return False
            filling.fill(db, batch, numbers)
            db.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(numbers[topic], partition, end) for (topic, partition), end in batch.ends.items()],
            )
        return True

    def complete(self) -> None:
        """Makes what questions are answered from, where a first fill left it out."""
        with self._lock:
            for name, columns in COVERING.items():
                self._db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON letters ({columns})")

    def forget(self, begins: Mapping[Part, int]) -> int:
        """Drops the dead letters that their topics no longer hold, those before `begins`; how many."""
        dropped = 0
        with self._writing() as db:
            for (topic, partition), begin in begins.items():
                dropped += db.execute(
                    """
                    DELETE FROM letters WHERE topic = (SELECT number FROM topics WHERE name = ?)
                      AND partition = ? AND place < ?
                    """,
                    [topic, partition, begin],
                ).rowcount
        return dropped

    # ---- asking

    def select(self, wanted: Filter, limit: int = 0) -> list[Entry]:
        """Those that match, by time of death; of more than `limit` the newest, 0: all."""
        with self._asking(wanted) as db:
            return selecting.select(db, wanted, limit)

    def newer(self, wanted: Filter, number: int) -> tuple[list[Entry], int]:
        """Those that match and were indexed after the row `number`; and the last row now."""
        with self._asking(wanted) as db:
            return selecting.newer(db, wanted, number)

    def last_number(self) -> int:
        """The row that came last."""
        with self._reading() as db:
            return selecting.last_number(db)

    def causes(self, wanted: Filter) -> Counter[str]:
        """How many match, by cause."""
        with self._asking(wanted) as db:
            return selecting.causes(db, wanted)

    def groups(self, wanted: Filter, now: datetime) -> list[Group]:
        """By fingerprint, the largest first."""
        with self._asking(wanted) as db:
            return selecting.groups(db, wanted, now)

    def stats(self, wanted: Filter) -> Stats:
        """Numbers by everything there is a closed list of, and by tenant."""
        with self._asking(wanted) as db:
            return selecting.stats(db, wanted)

    def statuses(self, replay_id: str) -> Counter[Status]:
        """How those stand that one replay sent."""
        with self._reading() as db:
            return selecting.statuses(db, replay_id)

    def original_places(self, event_ids: Sequence[str]) -> dict[str, int]:
        """Event to the input offset at which it first stood, as far as its dead letters are still known."""
        with self._reading() as db:
            return selecting.original_places(db, event_ids)

    def edits(self, letter: Coordinates) -> list[Edit]:
        """How a dead letter's value was mended, the newest last."""
        with self._reading() as db:
            return selecting.edits(db, letter)

    def newest_edits(self, letters: Sequence[Coordinates]) -> list[Edit]:
        """Of each of these dead letters that was mended, the edit that stands."""
        with self._reading() as db:
            return selecting.newest_edits(db, letters)

    def operations(self, letter: Coordinates | None = None, limit: int = 0) -> list[Operation]:
        """What people did, with one dead letter or at all; the newest last."""
        with self._reading() as db:
            return selecting.operations(db, letter, limit)

    def replays(self, replay_id: str = "", limit: int = 0) -> list[Operation]:
        """Beginnings and ends of one replay, or of all; the newest last."""
        with self._reading() as db:
            return selecting.replays(db, replay_id, limit)

    # ---- the file

    def _opened(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        db = sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # The last transactions may be lost with the machine: they are read from the topics again.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            db.execute("PRAGMA temp_store = MEMORY")
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                db.execute("BEGIN IMMEDIATE")
                _wipe(db)
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._db

    @contextmanager
    def _asking(self, wanted: Filter) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self.complete()
            selecting.name_ids(self._db, wanted)
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _positions(db: sqlite3.Connection) -> dict[Part, int]:
    rows = db.execute("SELECT t.name, p.partition, p.next FROM positions AS p JOIN topics AS t ON t.number = p.topic")
    return {(name, partition): place for name, partition, place in rows}


def _wipe(db: sqlite3.Connection) -> None:
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall()
    for (table,) in tables:
        db.execute(f'DROP TABLE "{table}"')
    for statement in filter(str.strip, TABLES.split(";")):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")
