"""A value found once is found everywhere: in all texts of the record, and a person also by a part of the name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    __slots__ = ("_exact", "_parts", "_squashed", "_times")

    def __init__(self) -> None:
        self._exact: dict[str, PiiType] = {}
        self._squashed: dict[str, PiiType] = {}
        self._times: dict[str, int] = {}
        self._parts: dict[str, bool] = {}

    def add(self, kind: PiiType, shadow: str, times: int = 1) -> None:
        """A value, as its shadow; `times`: how many of its places are found already (0: it is only known)."""
        if kind is PiiType.PERSON:
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
        found = [self._words(shadow) for shadow in shadows]
        if self._squashed:
            squashed = [squash_shadow(shadow) for shadow in shadows]
            for value, kind in self._squashed.items():
                if sum(text.count(value) for text in squashed) > self._times[value]:
                    for shadow, text, places in zip(shadows, squashed, found, strict=True):
                        places += _regrouped(shadow, text, value, kind)
        return found

    def _words(self, shadow: str) -> list[Found]:
        """Parts of names, and short values, between word boundaries."""
        lower = shadow.lower()
        found = []
        for part, only_with_capital in self._parts.items():
            if part in lower:
                found += [
                    Found(start, start + len(part), PiiType.PERSON, Strength.GUESS)
                    for start in _places(lower, part)
                    if shadow[start].isupper() or not only_with_capital
                ]
        for value, kind in self._exact.items():
            found += [Found(start, start + len(value), kind, Strength.GUESS) for start in _places(lower, value)]
        return found


def _regrouped(shadow: str, squashed: str, value: str, kind: PiiType) -> list[Found]:
    """A long value, however it is grouped."""
    if value not in squashed:
        return []
    places = [place for place, char in enumerate(shadow) if char.isascii() and char.isalnum()]
    return [
        Found(places[start], places[start + len(value) - 1] + 1, kind, Strength.GUESS)
        for start in _all(squashed, value)
    ]


def _places(text: str, word: str) -> Iterator[int]:
    for start in _all(text, word):
        end = start + len(word)
        if not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()):
            yield start


def _all(text: str, value: str) -> Iterator[int]:
    start = text.find(value)
    while start >= 0:
        yield start
        start = text.find(value, start + len(value))
