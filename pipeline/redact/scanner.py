"""One Hyperscan pass over a shadow: all shapes and all cue words at once, then the checks around each hit."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import hyperscan

from pipeline.errors import RedactionError
from pipeline.redact import decoding, placeholders
from pipeline.redact.announced import announced
from pipeline.redact.cues import Cue, expressions
from pipeline.redact.decoding import Sign
from pipeline.redact.lexicon import lines
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_LOGGER: Final = logging.getLogger(__name__)
_CUE_IDS: Final = 10_000
_BRAND_ID: Final = 15_000
_LONG_WORD_ID: Final = 20_000
_PLACEHOLDER_ID: Final = 20_001
_TABLE_ID: Final = 20_002
_SIGN_IDS: Final = 30_000
"""Expression ids below these are patterns; cues, signs of encoding and long words have their own."""


_MARGIN: Final = 1
"""A line end is put before and behind the text, so that words at its ends have neighbours."""
_HEADING: Final = (
    r"\n[ |]{0,2}[A-Za-z][A-Za-z_ .\"-]{1,30}(?:[,;\t|]|  )[A-Za-z_ .\"-]{2,40}(?:[,;\t|]|  )[ A-Za-z\"_][^\n]{1,200}\n"
)
"""A line that may be a table's heading."""
_WORD_SIGN: Final = Sign.WORD.value
_CUES: Final = {int(cue): cue for cue in Cue}


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
        """`cache`: a folder of this user's own in which the compiled table is kept; compiling takes a second or two."""
        self._patterns = tuple(patterns)
        self._cued: dict[Cue, list[Cued]] = {}
        for entry in cued:
            self._cued.setdefault(entry.cue, []).append(entry)
        self._database = _database(_expressions(self._patterns), cache)
        self._local = threading.local()

    def scan(self, shadow: str) -> Scan:
        """One pass. Raises RedactionError when it does not end well."""
        hits: list[tuple[int, int, int]] = []
        try:
            self._database.scan(
                b"\n%b\n" % shadow.encode("latin-1"),
                match_event_handler=lambda number, start, end, flags, context: hits.append((number, start, end)),
                scratch=self._scratch(),
            )
        except hyperscan.HyperscanError as error:
            raise RedactionError(f"the scan did not finish ({type(error).__name__})") from None
        cues: dict[Cue, list[int]] = {}
        shapes: dict[tuple[int, int], list[int]] = {}
        brands: list[tuple[int, int]] = []
        headings: list[int] = []
        signs, looks_placed, seen = 0, False, 0
        for number, start, end in hits:
            if number < _CUE_IDS:
                key = (number, start - _MARGIN)
                if key in shapes:
                    shapes[key].append(end - _MARGIN)
                else:
                    shapes[key] = [end - _MARGIN]
            elif number < _BRAND_ID:
                cues.setdefault(_CUES[number - _CUE_IDS], []).append(end - _MARGIN - 1)
            elif number == _BRAND_ID:
                brands.append((start - _MARGIN, end - _MARGIN))
            elif number >= _SIGN_IDS:
                signs |= number - _SIGN_IDS
            elif number == _PLACEHOLDER_ID:
                looks_placed = True
            elif number == _TABLE_ID:
                headings.append(end - _MARGIN - 2)
            elif not signs & _WORD_SIGN and start - _MARGIN >= seen:
                is_encoded, seen = decoding.encoded_word(shadow, start - _MARGIN)
                signs |= _WORD_SIGN if is_encoded else 0
        for places in cues.values():
            places.sort()
        context = Context(shadow, cues, brands)
        found = self._checked(context, shapes)
        found += [
            Found(item.start, item.end, item.entry.type, item.entry.strength)
            for item in announced(context, cues, self._cued, {item[:3] for item in found})
        ]
        return Scan(context, found, Sign(signs), looks_placed, headings)

    def _checked(self, context: Context, shapes: Mapping[tuple[int, int], list[int]]) -> list[Found]:
        """Shapes that pass the check of their pattern, of several ends the farthest that does."""
        found, address = [], (0, 0)
        for (number, start), ends in shapes.items():
            pattern = self._patterns[number]
            check = pattern.check
            if pattern.type is PiiType.ADDRESS and address[0] <= start and ends[-1] <= address[1]:
                continue
            for end in reversed(ends):
                stretch = (start, end) if check is None else check(context, start, end)
                if stretch is not None:
                    found.append(Found(*stretch, pattern.type, pattern.strength))
                    if pattern.type is PiiType.ADDRESS:
                        address = stretch
                    break
        return found

    def _scratch(self) -> hyperscan.Scratch:
        """This thread's scratch space: Hyperscan allows one scan at a time in each."""
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch


def _expressions(patterns: Sequence[Pattern]) -> list[tuple[int, str, int]]:
    """Id, expression and flags of everything that is looked for."""
    start, caseless = hyperscan.HS_FLAG_SOM_LEFTMOST, hyperscan.HS_FLAG_CASELESS
    return [
        *(
            (number, pattern.shape, start | (caseless if pattern.caseless else 0))
            for number, pattern in enumerate(patterns)
        ),
        *((_CUE_IDS + cue, expression, caseless) for cue in Cue for expression in expressions(cue)),
        *((_BRAND_ID, rf"\b(?:{brand})\b", start) for brand in lines("brands")),
        *(
            (_SIGN_IDS + sign.value, hint, caseless | hyperscan.HS_FLAG_SINGLEMATCH)
            for sign, hint in decoding.HINTS.items()
        ),
        (_LONG_WORD_ID, decoding.LONG_WORD, start),
        (_TABLE_ID, _HEADING, 0),
        (_PLACEHOLDER_ID, placeholders.HINT, caseless | hyperscan.HS_FLAG_SINGLEMATCH),
    ]


def _database(table: list[tuple[int, str, int]], cache: Path | None) -> hyperscan.Database:
    """The table, compiled; taken from the cache when it holds this very table of this version."""
    path = None
    if cache is not None:
        key = hashlib.sha256(repr((metadata.version("hyperscan"), table)).encode()).hexdigest()[:32]
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
