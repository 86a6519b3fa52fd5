"""Where any of many values stands in a text, in time that does not grow with the number of values times the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_GRAM: Final = 8
"""Characters by which values are told apart at first."""
_FEW: Final = 200
"""Up to so many values the text is read once for each, which is faster than one reading in Python."""


class MultiSearch:
    """A set of values to look for. Made once, used on any number of texts."""

    __slots__ = ("_by_gram", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        """`values`: no empty ones."""
        self._values = tuple(values)
        self._by_gram: dict[int, dict[str, dict[int, set[str]]]] = {}
        if len(self._values) > _FEW:
            for value in self._values:
                grams = self._by_gram.setdefault(min(len(value), _GRAM), {})
                grams.setdefault(value[:_GRAM], {}).setdefault(len(value), set()).add(value)

    def places(self, text: str) -> Iterator[tuple[int, str]]:
        """Start and value of every place, also of places that overlap."""
        if not self._by_gram:
            for value in self._values:
                start = text.find(value)
                while start >= 0:
                    yield start, value
                    start = text.find(value, start + 1)
            return
        for size, grams in self._by_gram.items():
            for start in range(len(text) - size + 1):
                if (sizes := grams.get(text[start : start + size])) is not None:
                    for length, values in sizes.items():
                        if (found := text[start : start + length]) in values:
                            yield start, found
