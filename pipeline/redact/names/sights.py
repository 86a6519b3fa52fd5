"""What one Hyperscan pass sees of names: the words beside which they stand, and firms that are called like people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.redact.compiled import CASELESS, MARGIN, WITH_START, Expression, Table
from pipeline.redact.cues import PEOPLE, Cue, expressions
from pipeline.redact.lexicon import lines

_BRAND_ID: Final = 1_000
"""Expression ids below are those of cues."""
_CUES: Final = {int(cue): cue for cue in Cue}


class Sights:
    """The words seen in one shadow."""

    __slots__ = ("_cues", "brands")

    def __init__(self, cues: dict[Cue, list[int]], brands: Sequence[tuple[int, int]]) -> None:
        self._cues = cues
        self.brands = brands

    def ends(self, cue: Cue) -> Sequence[int]:
        """Where words of the cue ended, in order."""
        return self._cues.get(cue, ())


class Lookout:
    """The compiled table of words for people."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache`: a folder of this user's own in which the compiled table is kept."""
        self._table = Table(
            [
                *(Expression(cue, expression, CASELESS) for cue in sorted(PEOPLE) for expression in expressions(cue)),
                *(Expression(_BRAND_ID, rf"\b(?:{brand})\b", WITH_START) for brand in lines("brands")),
            ],
            cache,
        )

    def look(self, shadow: str) -> Sights:
        """One pass. Raises RedactionError when it does not end well."""
        cues: dict[Cue, list[int]] = {}
        brands: list[tuple[int, int]] = []
        for number, start, end, _, _ in self._table.hits(shadow):
            if number == _BRAND_ID:
                brands.append((start - MARGIN, end - MARGIN))
                continue
            cue = _CUES[number]
            if cue not in cues:
                cues[cue] = [end - MARGIN - 1]
            elif cues[cue][-1] != end - MARGIN - 1:
                cues[cue].append(end - MARGIN - 1)
        for places in cues.values():
            places.sort()
        return Sights(cues, brands)
