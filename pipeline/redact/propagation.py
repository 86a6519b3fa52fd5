"""A value found once is found everywhere: in all texts of the record, and a person also by a part of the name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.redact.canonical import squash_shadow, tokens_of_shadow
from pipeline.redact.names.kinds import is_certain, is_telling
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_REGROUPED: Final = 9
"""As in the leak check: from this length on, a value is looked for without regard to its grouping."""
_SHORTEST: Final = 3


class Propagation:
    """Values of one record, and where else they stand."""

    __slots__ = ("_exact", "_parts", "_squashed")

    def __init__(self) -> None:
        self._exact: dict[str, PiiType] = {}
        self._squashed: dict[str, PiiType] = {}
        self._parts: dict[str, bool] = {}

    def add(self, kind: PiiType, shadow: str) -> None:
        """A value, as its shadow."""
        if kind is PiiType.PERSON:
            for word in tokens_of_shadow(shadow):
                if len(word) >= _SHORTEST and word not in self._parts and is_telling(word):
                    self._parts[word] = not is_certain(word)
            return
        squashed = squash_shadow(shadow)
        if len(squashed) >= _REGROUPED:
            self._squashed[squashed] = kind
        elif len(squashed) >= _SHORTEST:
            self._exact[shadow.strip().lower()] = kind

    def find(self, shadow: str, covered: Sequence[Found]) -> list[Found]:
        """Every place where one of the values stands; `covered` are the finds that are known already."""
        lower = shadow.lower()
        found = [
            Found(start, start + len(part), PiiType.PERSON, Strength.GUESS)
            for part, only_with_capital in self._parts.items()
            for start in _words(lower, part)
            if shadow[start].isupper() or not only_with_capital
        ]
        for value, kind in self._exact.items():
            found += (Found(start, start + len(value), kind, Strength.GUESS) for start in _words(lower, value))
        if self._squashed:
            found += self._regrouped(shadow, covered)
        return found

    def _regrouped(self, shadow: str, covered: Sequence[Found]) -> Iterable[Found]:
        """Long values however grouped. Looked up one by one only when there are more of them than known finds."""
        squashed = squash_shadow(shadow)
        times: dict[str, int] = {}
        for item in covered:
            if item.type is not PiiType.PERSON:
                value = squash_shadow(shadow[item.start : item.end])
                times[value] = times.get(value, 0) + 1
        missing = [value for value in self._squashed if squashed.count(value) > times.get(value, 0)]
        if not missing:
            return
        places = [place for place, char in enumerate(shadow) if char.isascii() and char.isalnum()]
        for value in missing:
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
