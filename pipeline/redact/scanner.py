"""One Hyperscan pass over a shadow: all shapes and the words that announce them, then the checks around each hit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.redact import decoding, placeholders
from pipeline.redact.announced import announced
from pipeline.redact.compiled import CASELESS, MARGIN, ONCE, WITH_START, Expression, Table
from pipeline.redact.cues import PEOPLE, Cue, expressions
from pipeline.redact.decoding import Sign
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_CUE_IDS: Final = 10_000
_LONG_WORD_ID: Final = 20_000
_PLACEHOLDER_ID: Final = 20_001
_TABLE_ID: Final = 20_002
_SIGN_IDS: Final = 30_000
"""Expression ids below these are patterns; cues, signs of encoding and long words have their own."""
_NUMBER_BITS: Final = 8
"""Of a key of start and pattern."""
_NUMBER_MASK: Final = (1 << _NUMBER_BITS) - 1

_HEADING: Final = r"\n[ |]{0,2}[A-Za-z][A-Za-z_ .\"-]{1,30}(?:[,;\t|]|  )[A-Za-z_ .\"-]{2,40}(?:[,;\t|]|  )[ A-Za-z\"_]"
"""Begins a line that may be a table's heading."""
_WORD_SIGN: Final = Sign.WORD.value
_CUES: Final = {_CUE_IDS + cue: cue for cue in Cue}


class Found(NamedTuple):
    """A find in a shadow."""

    start: int
    end: int
    type: PiiType
    strength: Strength


class Scan(NamedTuple):
    """What one pass saw: all finds, overlapping ones too.

    `headings`: places in lines that may be a table's. `signs`: of what there is to decode. `placeholders`: there is
    something that looks like a placeholder.
    """

    context: Context
    found: list[Found]
    signs: Sign
    placeholders: bool
    headings: list[int]


class Scanner:
    """The compiled table. Compiling takes a moment: make one and keep it. May be used by several threads."""

    def __init__(self, patterns: Sequence[Pattern], cued: Sequence[Cued], cache: Path | None = None) -> None:
        """`cache`: a folder of this user's own in which the compiled table is kept."""
        self._entries = [(entry.check, entry.type, entry.strength) for entry in patterns]
        self._by_start = [entry.by_start for entry in patterns]
        self._cued: dict[Cue, list[Cued]] = {}
        for entry in cued:
            self._cued.setdefault(entry.cue, []).append(entry)
        near = [(number, entry) for number, entry in enumerate(patterns) if entry.near]
        self._near = frozenset(cue for _, entry in near for cue in entry.near)
        self._table = Table(_expressions(patterns), cache)
        self._near_table = Table([_shape(number, entry) for number, entry in near], cache) if near else None

    def scan(self, shadow: str) -> Scan:
        """One pass. Raises RedactionError when it does not end well."""
        cues: dict[Cue, list[int]] = {}
        shapes: dict[int, list[int]] = {}
        headings: list[int] = []
        signs, looks_placed, seen, by_start = 0, False, 0, self._by_start
        for number, start, end in self._table.hits(shadow):
            if number < _CUE_IDS:
                key = (start - MARGIN) << _NUMBER_BITS | number
                if key not in shapes:
                    shapes[key] = [end - MARGIN]
                elif by_start[number]:
                    shapes[key][0] = end - MARGIN
                else:
                    shapes[key].append(end - MARGIN)
            elif number < _LONG_WORD_ID:
                cue = _CUES[number]
                if cue not in cues:
                    cues[cue] = [end - MARGIN - 1]
                elif cues[cue][-1] != end - MARGIN - 1:
                    cues[cue].append(end - MARGIN - 1)
            elif number == _LONG_WORD_ID:
                if not signs & _WORD_SIGN and end - MARGIN > seen:
                    begin = start - MARGIN if start else decoding.start_of_word(shadow, end - MARGIN - 1)
                    is_encoded, seen = decoding.encoded_word(shadow, max(begin, seen))
                    signs |= _WORD_SIGN if is_encoded else 0
            elif number >= _SIGN_IDS:
                signs |= number - _SIGN_IDS
            elif number == _PLACEHOLDER_ID:
                looks_placed = True
            else:
                headings.append(end - MARGIN - 1)
        for places in cues.values():
            places.sort()
        if self._near_table is not None and not self._near.isdisjoint(cues):
            for number, start, end in self._near_table.hits(shadow):
                shapes.setdefault((start - MARGIN) << _NUMBER_BITS | number, []).append(end - MARGIN)
        context = Context(shadow, cues)
        found = self._checked(context, shapes)
        if cues:
            known = {item[:3] for item in found}
            found += [
                Found(item.start, item.end, item.entry.type, item.entry.strength)
                for item in announced(context, cues, self._cued, known)
            ]
        return Scan(context, found, Sign(signs), looks_placed, headings)

    def _checked(self, context: Context, shapes: dict[int, list[int]]) -> list[Found]:
        """Shapes that pass the check of their pattern, of several ends the farthest that does."""
        found, address_start, address_end = list[Found](), 0, 0
        for key, ends in shapes.items():
            check, kind, strength = self._entries[key & _NUMBER_MASK]
            start = key >> _NUMBER_BITS
            if kind is PiiType.ADDRESS and address_start <= start and ends[-1] <= address_end:
                continue
            for end in reversed(ends):
                stretch = (start, end) if check is None else check(context, start, end)
                if stretch is not None:
                    found.append(Found(*stretch, kind, strength))
                    if kind is PiiType.ADDRESS:
                        address_start, address_end = stretch
                    break
        return found


def _shape(number: int, pattern: Pattern) -> Expression:
    return Expression(number, pattern.shape, WITH_START | (CASELESS if pattern.caseless else 0))


def _expressions(patterns: Sequence[Pattern]) -> list[Expression]:
    """Everything that is looked for in every text."""
    assert len(patterns) <= _NUMBER_MASK + 1
    return [
        *(_shape(number, pattern) for number, pattern in enumerate(patterns) if not pattern.near),
        *(
            Expression(_CUE_IDS + cue, expression, CASELESS)
            for cue in Cue
            if cue not in PEOPLE
            for expression in expressions(cue)
        ),
        *(Expression(_SIGN_IDS + sign.value, hint, CASELESS | ONCE) for sign, hint in decoding.HINTS.items()),
        *(Expression(_LONG_WORD_ID, begin, WITH_START) for begin in decoding.LONG_WORDS),
        Expression(_LONG_WORD_ID, decoding.PADDED_WORD, 0),
        Expression(_TABLE_ID, _HEADING, 0),
        Expression(_PLACEHOLDER_ID, placeholders.HINT, CASELESS | ONCE),
    ]
