"""Word lists, as text files beside the code: words apart by white space, `#` begins a comment."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "lists"


@functools.cache
def words(name: str) -> frozenset[str]:
    """The words of one list."""
    lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines for word in line.partition("#")[0].split())


def everyday() -> frozenset[str]:
    """Lower-case words that are names of people and everyday words at once."""
    return words("everyday_names")
