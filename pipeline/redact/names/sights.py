"""What one Hyperscan pass sees of names: the words beside which they stand, and firms that are called like people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.redact.compiled import CASELESS, MARGIN, ONCE, WITH_START, Expression, Table
from pipeline.redact.cues import PEOPLE, Cue, expressions
from pipeline.redact.lexicon import lines

_BRAND_ID: Final = 1_000
_LINE_ID: Final = 1_001
_SPOKEN_ID: Final = 1_002
_PREFIXED_ID: Final = 1_003
"""Expression ids below these are those of cues."""
_LINE: Final = (
    r"\n[A-Z][A-Za-z'-]{2,20}(?: [A-Z][a-z]{2,20})?: "
    r"|\n[ \t]{0,16}(?:[-*] )?[A-Za-z' -]{2,40}, ?(?:[A-Z]|(?:al|el|as|ad|ar|bin|ben)-)"
)
_SPOKEN: Final = (
    r"\b[Ii]s [A-Z][a-z'-]{1,20} (?:there|around|available|home|in)\b|[A-Z][a-z-]{1,20}'s my [a-z]|[A-Za-z'-] here[,. ]"
)
_CUES: Final = {int(cue): cue for cue in Cue}


class Sights:
    """The words seen in one shadow.

    `lines`: ends of what begins lines like a speaker (`Ada: `) or like a name turned round (`Rivera, M`).
    `spoken`: there is something of what is said of people who are there. `prefixed`: there is a name like `al-Amin`.
    """

    __slots__ = ("_cues", "brands", "lines", "prefixed", "spoken")

    def __init__(
        self,
        cues: dict[Cue, list[int]],
        brands: Sequence[tuple[int, int]],
        lines: Sequence[int],
        spoken: bool,
        prefixed: bool,
    ) -> None:
        self._cues = cues
        self.brands = brands
        self.lines = lines
        self.spoken = spoken
        self.prefixed = prefixed

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
                Expression(_LINE_ID, _LINE, 0),
                Expression(_SPOKEN_ID, _SPOKEN, ONCE),
                Expression(_PREFIXED_ID, r"\b(?:al|el|as|ad|ar|bin|ben)-[A-Z]", ONCE),
            ],
            cache,
        )

    def look(self, shadow: str) -> Sights:
        """One pass. Raises RedactionError when it does not end well."""
        cues: dict[Cue, list[int]] = {}
        brands, starts, spoken, prefixed = list[tuple[int, int]](), list[int](), False, False
        for number, start, end in self._table.hits(shadow):
            if number < _BRAND_ID:
                cue = _CUES[number]
                if cue not in cues:
                    cues[cue] = [end - MARGIN - 1]
                elif cues[cue][-1] != end - MARGIN - 1:
                    cues[cue].append(end - MARGIN - 1)
            elif number == _LINE_ID:
                starts.append(end - MARGIN)
            elif number == _BRAND_ID:
                brands.append((start - MARGIN, end - MARGIN))
            elif number == _SPOKEN_ID:
                spoken = True
            else:
                prefixed = True
        for places in cues.values():
            places.sort()
        return Sights(cues, brands, starts, spoken, prefixed)
