"""A value found once is found everywhere: in all texts of the record, and a person also by a part of the name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.redact import lexicon
from pipeline.redact.canonical import squash_shadow, tokens_of_shadow
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_REGROUPED: Final = 9
"""As in the leak check: from this length on, a value is looked for without regard to its grouping."""
_SHORTEST_PART: Final = 3
PARTICLES: Final = lexicon.words("name_particles")


class Propagation:
    """Values of one record, and where else they stand."""

    __slots__ = ("_exact", "_parts", "_squashed")

    def __init__(self) -> None:
        self._exact: dict[str, PiiType] = {}
        self._squashed: dict[str, PiiType] = {}
        self._parts: set[str] = set()

    def add(self, kind: PiiType, shadow: str) -> None:
        """A value, as its shadow."""
        if kind is PiiType.PERSON:
            self._parts.update(
                word for word in tokens_of_shadow(shadow) if len(word) >= _SHORTEST_PART and word not in PARTICLES
            )
            return
        squashed = squash_shadow(shadow)
        if len(squashed) >= _REGROUPED:
            self._squashed[squashed] = kind
        elif len(squashed) >= _SHORTEST_PART:
            self._exact[shadow.strip().lower()] = kind

    def find(self, shadow: str) -> list[Found]:
        """Every place where one of the values stands."""
        lower = shadow.lower()
        found = [
            Found(start, start + len(part), PiiType.PERSON, Strength.GUESS)
            for part in self._parts
            for start in _words(lower, part)
            if part not in lexicon.everyday() or shadow[start].isupper()
        ]
        for value, kind in self._exact.items():
            found += (Found(start, start + len(value), kind, Strength.GUESS) for start in _words(lower, value))
        if self._squashed:
            found += self._regrouped(shadow)
        return found

    def _regrouped(self, shadow: str) -> Iterable[Found]:
        squashed = squash_shadow(shadow)
        present = [value for value in self._squashed if value in squashed]
        if not present:
            return
        places = [place for place, char in enumerate(shadow) if char.isascii() and char.isalnum()]
        for value in present:
            at = squashed.find(value)
            while at >= 0:
                end = at + len(value)
                yield Found(places[at], places[end - 1] + 1, self._squashed[value], Strength.GUESS)
                at = squashed.find(value, end)


def _words(text: str, word: str) -> Iterable[int]:
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()):
            yield at
        at = text.find(word, end)
