"""What the classifier sees of a text."""

from __future__ import annotations

import itertools
import re
import unicodedata

_TOKEN = re.compile(r"\[([a-z_]+?)(?:_\d+)?\]|[^\W\d_]+|\d+")
_LONGEST_TEXT = 20_000
"""Characters: what a record is about stands at its start, and a longer one must not hold up the event loop."""


def words(text: str) -> list[str]:
    """Lower-case words, and pairs of neighbours. Placeholders count by their kind, numbers as one word."""
    folded = unicodedata.normalize("NFKC", text[:_LONGEST_TEXT]).lower()
    found = [_word(match) for match in _TOKEN.finditer(folded)]
    return found + [f"{one} {other}" for one, other in itertools.pairwise(found)]


def _word(match: re.Match[str]) -> str:
    if match[1]:
        return f"[{match[1]}]"
    return "0" if match[0].isdigit() else match[0]
