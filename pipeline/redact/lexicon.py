"""Word lists, as text files beside the code: `#` begins a comment line."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "lists"


def lines(name: str) -> tuple[str, ...]:
    """The lines of one list that are not comments."""
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@functools.cache
def words(name: str) -> frozenset[str]:
    """The words of one list."""
    return frozenset(word for line in lines(name) for word in line.split())
