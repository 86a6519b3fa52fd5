"""Word lists behind the name rules."""

from __future__ import annotations

import functools
from typing import Final


@functools.cache
def everyday() -> frozenset[str]:
    """Lower-case words that are names of people and everyday words at once."""
    return frozenset(
        [
            "will",
            "may",
            "mark",
            "rose",
            "grant",
            "frank",
            "bill",
            "hope",
            "grace",
            "joy",
            "page",
            "price",
            "case",
            "art",
            "gene",
            "sunny",
        ]
    )


_WORDS: Final = "will may mark rose grant frank bill hope grace joy page price case art gene sunny"
_EVERYDAY: Final = frozenset(_WORDS.split())
