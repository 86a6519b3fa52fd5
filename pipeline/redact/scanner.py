"""One Hyperscan pass over a shadow: all shapes and all cue words at once, then the checks around each hit."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import hyperscan

from pipeline.errors import RedactionError
from pipeline.redact import views
from pipeline.redact.cues import Cue, expression
from pipeline.redact.lexicon import lines
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_CUE_IDS: Final = 10_000
_BRAND_ID: Final = 15_000
_ENCODED_ID: Final = 20_000
_LONG_WORD_ID: Final = 20_001
"""Expression ids below these are patterns; cues, signs of encoding and long words have their own."""


class Found(NamedTuple):
    """A find in a shadow."""

    start: int
    end: int
    type: PiiType
    strength: Strength


class Scan(NamedTuple):
    """What one pass saw: all finds, overlapping ones too, and whether there is something to decode."""

    context: Context
    found: list[Found]
    encoded: bool


class Scanner:
    """The compiled table. Compiling takes a moment: make one and keep it. May be used by several threads."""

    def __init__(self, patterns: Sequence[Pattern], cued: Sequence[Cued]) -> None:
        self._patterns = tuple(patterns)
        self._cued: dict[Cue, list[Cued]] = {}
        for entry in cued:
            self._cued.setdefault(entry.cue, []).append(entry)
        start, caseless = hyperscan.HS_FLAG_SOM_LEFTMOST, hyperscan.HS_FLAG_CASELESS
        table = [
            *(
                (number, pattern.shape, start | (caseless if pattern.caseless else 0))
                for number, pattern in enumerate(self._patterns)
            ),
            *((_CUE_IDS + cue, expression(cue), caseless) for cue in Cue),
            (_BRAND_ID, rf"\b(?:{'|'.join(lines('brands'))})\b", start),
            (_ENCODED_ID, views.ENCODED, hyperscan.HS_FLAG_SINGLEMATCH),
            (_LONG_WORD_ID, views.LONG_WORD, start),
        ]
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[wanted.encode("ascii") for _, wanted, _ in table],
            ids=[number for number, _, _ in table],
            elements=len(table),
            flags=[flags for _, _, flags in table],
        )
        self._local = threading.local()

    def scan(self, shadow: str) -> Scan:
        """One pass. Raises RedactionError when it does not end well."""
        hits: list[tuple[int, int, int]] = []
        try:
            self._database.scan(
                shadow.encode("latin-1"),
                match_event_handler=lambda number, start, end, flags, context: hits.append((number, start, end)),
                scratch=self._scratch(),
            )
        except hyperscan.HyperscanError as error:
            raise RedactionError(f"the scan did not finish ({type(error).__name__})") from None
        cues: dict[Cue, list[int]] = {}
        shapes: dict[tuple[int, int], list[int]] = {}
        brands: list[tuple[int, int]] = []
        encoded, seen = False, 0
        for number, start, end in hits:
            if number < _CUE_IDS:
                shapes.setdefault((number, start), []).append(end)
            elif number == _BRAND_ID:
                brands.append((start, end))
            elif number < _ENCODED_ID:
                cues.setdefault(Cue(number - _CUE_IDS), []).append(end)
            elif number == _ENCODED_ID:
                encoded = True
            elif not encoded and start >= seen:
                seen = end
                encoded = views.is_encoded_word(shadow, start)
        context = Context(shadow, cues, brands)
        found = self._checked(context, shapes)
        found += self._announced(context, cues)
        return Scan(context, found, encoded)

    def _checked(self, context: Context, shapes: Mapping[tuple[int, int], list[int]]) -> list[Found]:
        """Shapes that pass the check of their pattern, of several ends the farthest that does."""
        found = []
        for (number, start), ends in shapes.items():
            pattern = self._patterns[number]
            check = pattern.check
            for end in reversed(ends):
                stretch = (start, end) if check is None else check(context, start, end)
                if stretch is not None:
                    found.append(Found(*stretch, pattern.type, pattern.strength))
                    break
        return found

    def _announced(self, context: Context, cues: Mapping[Cue, list[int]]) -> list[Found]:
        """Values that stand behind their cue."""
        found = []
        for cue, places in cues.items():
            for entry in self._cued.get(cue, ()):
                for place in places:
                    match = entry.value.match(context.text, place)
                    if match is None:
                        continue
                    stretch = match.span("value")
                    checked = stretch if entry.check is None else entry.check(context, *stretch)
                    if checked is not None:
                        found.append(Found(*checked, entry.type, entry.strength))
        return found

    def _scratch(self) -> hyperscan.Scratch:
        """This thread's scratch space: Hyperscan allows one scan at a time in each."""
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch
