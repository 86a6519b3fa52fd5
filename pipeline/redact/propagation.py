"""A value found once is found everywhere: in all texts of the record, and a person also by a part of the name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final

from pipeline.redact.canonical import squash_shadow, tokens_of_shadow
from pipeline.redact.multisearch import MultiSearch
from pipeline.redact.names.kinds import is_certain, is_telling
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_REGROUPED: Final = 9
"""As in the leak check: from this length on, a value is looked for without regard to its grouping."""
_SHORTEST: Final = 3
_ALNUM: Final = bytes(chr(code).isascii() and chr(code).isalnum() for code in range(256))


class Propagation:
    """Values of one record, and where else they stand."""

    __slots__ = ("_exact", "_parts", "_people", "_squashed", "_times")

    def __init__(self) -> None:
        self._exact: dict[str, PiiType] = {}
        self._squashed: dict[str, PiiType] = {}
        self._times: dict[str, int] = {}
        self._parts: dict[str, bool] = {}
        self._people: set[str] = set()

    def add(self, kind: PiiType, shadow: str, times: int = 1) -> None:
        """A value, as its shadow; `times`: how many of its places are found already (0: it is only known)."""
        if kind is PiiType.PERSON:
            if times and shadow in self._people:
                return
            self._people.add(shadow)
            words = tokens_of_shadow(shadow)
            if len(words) > 1:
                self._exact[shadow.strip().lower()] = kind
            for word in words:
                # Of a name that the publisher named, every part is one: also those that are words, with a capital.
                if len(word) >= _SHORTEST and word not in self._parts and (times == 0 or is_telling(word)):
                    self._parts[word] = not is_certain(word)
            return
        squashed = squash_shadow(shadow)
        if len(squashed) >= _REGROUPED:
            self._squashed[squashed] = kind
            self._times[squashed] = self._times.get(squashed, 0) + times
        elif len(squashed) >= _SHORTEST:
            self._exact[shadow.strip().lower()] = kind

    def find(self, shadows: Sequence[str]) -> list[list[Found]]:
        """Every place where one of the values stands, for each of the record's shadows."""
        words, exact = MultiSearch(self._parts), MultiSearch(self._exact)
        found = [list[Found]() for _ in shadows]
        for shadow, all_found in zip(shadows, found, strict=True):
            if self._parts or self._exact:
                lower = shadow.lower()
                all_found += self._parts_in(shadow, lower, words)
                all_found += self._exact_in(shadow, lower, exact)
        if self._squashed:
            more = MultiSearch(self._squashed).oftener([squash_shadow(shadow) for shadow in shadows], self._times)
            for shadow, places, all_found in zip(shadows, more, found, strict=True):
                all_found += self._regrouped(shadow, places) if places else ()
        return found

    def _parts_in(self, shadow: str, lower: str, words: MultiSearch) -> Iterator[Found]:
        """Parts of names, between word boundaries."""
        for start, part in words.places(lower):
            end = start + len(part)
            if _stands_alone(shadow, start, end) and (shadow[start].isupper() or not self._parts[part]):
                yield Found(start, end, PiiType.PERSON, Strength.GUESS)

    def _exact_in(self, shadow: str, lower: str, exact: MultiSearch) -> Iterator[Found]:
        """Whole names and short values, between word boundaries."""
        for start, value in exact.places(lower):
            if _stands_alone(shadow, start, start + len(value)):
                yield Found(start, start + len(value), self._exact[value], Strength.GUESS)

    def _regrouped(self, shadow: str, places: Sequence[tuple[int, str]]) -> Iterator[Found]:
        """Long values, however they are grouped; `places` are those of the squashed shadow."""
        origin = list(compress(range(len(shadow)), shadow.encode("latin-1").translate(_ALNUM)))
        for start, value in places:
            yield Found(origin[start], origin[start + len(value) - 1] + 1, self._squashed[value], Strength.GUESS)


def _stands_alone(shadow: str, start: int, end: int) -> bool:
    return not (shadow[start - 1 : start].isalnum() or shadow[end : end + 1].isalnum())
