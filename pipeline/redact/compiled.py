"""A table of expressions compiled for Hyperscan: all of them are looked for in one pass over a shadow."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import hyperscan

from pipeline.errors import RedactionError

CASELESS: Final[int] = hyperscan.HS_FLAG_CASELESS
WITH_START: Final[int] = hyperscan.HS_FLAG_SOM_LEFTMOST
"""Without it, a hit's start is 0."""
ONCE: Final[int] = hyperscan.HS_FLAG_SINGLEMATCH

MARGIN: Final = 1
"""A line end is put before and behind the text, so that words at its ends have neighbours."""

_LOGGER: Final = logging.getLogger(__name__)

Hit = tuple[int, int, int]
"""Number of the expression, start and end (both `MARGIN` behind the shadow's)."""


class Expression(NamedTuple):
    """One expression in Hyperscan's syntax; several may have one number."""

    number: int
    expression: str
    flags: int


class Table:
    """The compiled table. Compiling takes a moment: make one and keep it. May be used by several threads."""

    def __init__(self, expressions: Sequence[Expression], cache: Path | None = None) -> None:
        """`cache`: a folder of this user's own in which the compiled table is kept; compiling takes a second or two."""
        self._database = _database(expressions, cache)
        self._local = threading.local()

    def hits(self, shadow: str) -> list[Hit]:
        """All hits of one pass, in the order of their ends. Raises RedactionError when it does not end well."""
        found: list[Hit] = []
        add = found.append
        try:
            self._database.scan(
                b"\n%b\n" % shadow.encode("latin-1"),
                match_event_handler=lambda number, start, end, _flags, _context: add((number, start, end)),
                scratch=self._scratch(),
            )
        except hyperscan.HyperscanError as error:
            raise RedactionError(f"the scan did not finish ({type(error).__name__})") from None
        return found

    def _scratch(self) -> hyperscan.Scratch:
        """This thread's scratch space: Hyperscan allows one scan at a time in each."""
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch


def _database(table: Sequence[Expression], cache: Path | None) -> hyperscan.Database:
    """The table, compiled; taken from the cache when it holds this very table of this version."""
    path = None
    if cache is not None:
        key = hashlib.sha256(repr((metadata.version("hyperscan"), [*map(tuple, table)])).encode()).hexdigest()[:32]
        path = cache / f"redaction-{key}.hs"
        try:
            return hyperscan.loadb(path.read_bytes(), mode=hyperscan.HS_MODE_BLOCK)
        except (OSError, hyperscan.HyperscanError):
            pass
    database = hyperscan.Database()
    database.compile(
        expressions=[expression.encode("ascii") for _, expression, _ in table],
        ids=[number for number, _, _ in table],
        elements=len(table),
        flags=[flags for _, _, flags in table],
    )
    if path is not None:
        _keep(path, hyperscan.dumpb(database))
    return database


def _keep(path: Path, data: bytes) -> None:
    """Writes the file whole or not at all; a folder that cannot be written to is no error."""
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        _LOGGER.info("the compiled table could not be kept in %s", path.parent)
