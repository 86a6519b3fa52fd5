"""Where any of many values stands in a text, in time that does not grow with the number of values times the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import ahocorasick

_FEW: Final = 60
"""Up to so many values the text is read once for each: that takes less than to make an automaton of them."""


class MultiSearch:
    """A set of values to look for. Made once, used on any number of texts."""

    __slots__ = ("_automaton", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        """`values`: no empty ones."""
        self._values = tuple(values)
        self._automaton = ahocorasick.Automaton() if len(self._values) > _FEW else None
        if self._automaton is not None:
            for value in self._values:
                self._automaton.add_word(value, value)
            self._automaton.make_automaton()

    def places(self, text: str) -> Iterator[tuple[int, str]]:
        """Start and value of every place, also of places that overlap."""
        if self._automaton is not None:
            for last, value in self._automaton.iter(text):
                yield last + 1 - len(value), value
            return
        for value in self._values:
            start = text.find(value)
            while start >= 0:
                yield start, value
                start = text.find(value, start + 1)

    def oftener(self, texts: Sequence[str], times: Mapping[str, int]) -> list[list[tuple[int, str]]]:
        """`places` in each text, of the values that stand in all of them together more often than `times` says."""
        search = self
        if self._automaton is None:
            search = MultiSearch(
                value for value in self._values if sum(text.count(value) for text in texts) > times[value]
            )
            if not search._values:
                return [[] for _ in texts]
        seen = [list(search.places(text)) for text in texts]
        counts = Counter(value for places in seen for _, value in places)
        return [[place for place in places if counts[place[1]] > times[place[1]]] for places in seen]
