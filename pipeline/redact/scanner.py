"""One Hyperscan pass over a shadow: all shapes and all cue words at once, then the checks around each hit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

import hyperscan

from pipeline.errors import RedactionError
from pipeline.redact.cues import WORDS, Cue
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_CUE_IDS: Final = 10_000
"""Expression ids below are patterns, from here on cues."""


class Found(NamedTuple):
    """A find in a shadow."""

    start: int
    end: int
    type: PiiType
    strength: Strength


class Scanner:
    """The compiled table. Compiling takes a moment: make one and keep it. May be used by several threads."""

    def __init__(self, patterns: Sequence[Pattern], cued: Sequence[Cued]) -> None:
        self._patterns = tuple(patterns)
        self._cued: dict[Cue, list[Cued]] = {}
        for entry in cued:
            self._cued.setdefault(entry.cue, []).append(entry)
        expressions = [pattern.shape.encode("ascii") for pattern in self._patterns]
        flags = [
            hyperscan.HS_FLAG_SOM_LEFTMOST | (hyperscan.HS_FLAG_CASELESS if pattern.caseless else 0)
            for pattern in self._patterns
        ]
        ids = list(range(len(expressions)))
        for cue, words in WORDS.items():
            expressions.append(rf"\b(?:{'|'.join(words)})\b".encode("ascii"))
            flags.append(hyperscan.HS_FLAG_CASELESS)
            ids.append(_CUE_IDS + cue)
        self._database = hyperscan.Database()
        self._database.compile(expressions=expressions, ids=ids, elements=len(ids), flags=flags)
        self._local = threading.local()

    def scan(self, shadow: str) -> tuple[Context, list[Found]]:
        """All finds, overlapping ones too. Raises RedactionError when the scan does not end well."""
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
        for number, start, end in hits:
            if number >= _CUE_IDS:
                cues.setdefault(Cue(number - _CUE_IDS), []).append(end)
            else:
                shapes.setdefault((number, start), []).append(end)
        context = Context(shadow, cues)
        found: list[Found] = []
        for (number, start), ends in shapes.items():
            pattern = self._patterns[number]
            for end in reversed(ends):
                if pattern.check is None:
                    found.append(Found(start, end, pattern.type, pattern.strength))
                    break
                if (stretch := pattern.check(context, start, end)) is not None:
                    found.append(Found(*stretch, pattern.type, pattern.strength))
                    break
        for cue, places in cues.items():
            for entry in self._cued.get(cue, ()):
                for place in places:
                    match = entry.value.match(shadow, place)
                    if match is None:
                        continue
                    stretch = match.span("value")
                    if entry.check is not None:
                        checked = entry.check(context, *stretch)
                        if checked is None:
                            continue
                        stretch = checked
                    found.append(Found(*stretch, entry.type, entry.strength))
        return context, found

    def _scratch(self) -> hyperscan.Scratch:
        """This thread's scratch space: Hyperscan allows one scan at a time in each."""
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch
