"""Finds people's names in one shadow: behind a word for people, in a signature, beside their data, or by the lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.redact.names import beside, listed
from pipeline.redact.names.search import Search
from pipeline.redact.names.sights import Lookout
from pipeline.redact.patterns.pattern import Context
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found


class NameFinder:
    """Finds names. Compiles its table of words once: make one and keep it."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache`: a folder of this user's own in which the compiled table is kept."""
        self._lookout = Lookout(cache)

    def find(self, context: Context, structured: Sequence[Found]) -> list[Found]:
        """Names in the shadow of `context`; `structured` are the finds of the pattern table in it."""
        search = Search(context, self._lookout.look(context.text), structured)
        beside.behind_honorifics(search)
        beside.behind_people(search)
        beside.introduced(search)
        beside.greeted(search)
        beside.signed(search)
        beside.last_line(search)
        beside.by_lines(search)
        listed.by_lists(search)
        return [Found(start, end, PiiType.PERSON, strength) for (start, end), strength in search.found.items()]
