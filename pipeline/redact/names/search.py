"""One search for names over one shadow: what is known of the shadow, and the names found so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.redact.names import naming, words
from pipeline.redact.names.kinds import (
    GIVEN,
    SURNAME,
    kind_of,
)
from pipeline.redact.names.naming import Token
from pipeline.redact.names.sights import Sights
from pipeline.redact.patterns.pattern import Context, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_PERSONAL: Final = frozenset({PiiType.EMAIL, PiiType.PHONE, PiiType.ADDRESS, PiiType.DATE_OF_BIRTH})
_LONGEST_PARTICLE: Final = 12


class Search:
    """What the ways to find names share.

    `starts`: where a person's data begin. `local_parts`: words of the e-mail addresses. `capitals`: the text has no
    small letters. `found`: names by start and end.
    """

    __slots__ = (
        "_all_starts",
        "_german",
        "_is_french",
        "capitals",
        "context",
        "found",
        "local_parts",
        "sights",
        "starts",
        "text",
    )

    def __init__(self, context: Context, sights: Sights, structured: Sequence[Found]) -> None:
        self.context = context
        self.sights = sights
        self.text = context.text
        self._all_starts = {item.start for item in structured}
        self.starts = {item.start for item in structured if item.type in _PERSONAL}
        self.local_parts = naming.local_parts(context.text, structured)
        self.capitals = context.text.isupper()
        self.found: dict[tuple[int, int], Strength] = {}
        self._german: bool | None = None
        self._is_french: bool | None = None

    def is_german(self) -> bool:
        """True for texts in which every noun has a capital."""
        if self._german is None:
            self._german = words.is_german(self.text)
        return self._german

    def is_french(self) -> bool:
        """True for texts in which `M.` is a title."""
        if self._is_french is None:
            self._is_french = words.is_french(self.text)
        return self._is_french

    def begins_data(self, start: int) -> bool:
        """What stands there is the beginning of a find of the pattern table."""
        return start in self._all_starts

    def is_product(self, end: int) -> bool:
        """A number or a letter follows that names a model, and is no part of somebody's data."""
        if words.PRODUCT_BEHIND.match(self.text, end) is None:
            return False
        return self._all_starts.isdisjoint((end, end + 1))

    def add(self, start: int, end: int, strength: Strength) -> None:
        if self.text.endswith("'s", start, end):
            end -= 2
        if self.text[max(0, start - 6) : start - 1].rpartition(" ")[2].lower() in words.PARTICLES_BEFORE:
            start = self._with_particles(start, end)
        if self.found.get((start, end), -1) < strength:
            self.found[(start, end)] = strength

    def _with_particles(self, start: int, end: int) -> int:
        """Where a name begins that is a surname with `van der` before it."""
        match = words.PARTICLE_BEFORE.search(self.text, max(0, start - _LONGEST_PARTICLE), start)
        first = kind_of(self.text[start:end].split(" ")[0])
        if match is None or first & GIVEN or not (first & SURNAME or not first):
            return start
        return match.start()

    def is_brand(self, start: int, end: int) -> bool:
        return any(start < brand[1] and brand[0] < end for brand in self.sights.brands)

    def tokens(self, start: int, end: int) -> list[Token]:
        return [
            Token(match.start(), match.end(), match[0], kind_of(match[0]))
            for match in words.TOKEN.finditer(self.text, start, end)
        ]
