"""Originals: what each placeholder of a record stands for, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pipeline.errors import RedactionError
from pipeline.redact import placeholders


class Originals:
    """Placeholders and the original texts they stand for. Holds personal data: its repr shows none."""

    __slots__ = ("_literal", "_values")

    def __init__(self, values: Mapping[str, str], literal: Iterable[str] = ()) -> None:
        """`values`: placeholder to original; `literal`: texts of the record that only look like placeholders."""
        self._values = dict(values)
        for placeholder, original in values.items():
            if ":" in placeholder:
                self._values[placeholders.bare(placeholder)] = original
        self._literal = frozenset(literal)

    def restore(self, text: str) -> str:
        """The text with every placeholder put back.

        Raises RedactionError when something in it looks like a placeholder but is none of this record's.
        """
        if unknown := self.unknown(text):
            raise RedactionError(f"{len(unknown)} placeholders are damaged or not of this record")
        return placeholders.WRITTEN.sub(self._original, text)

    def unknown(self, text: str) -> list[str]:
        """What looks like a placeholder in the text but is none of this record's: damaged or made up."""
        return [
            found
            for match in placeholders.lookalikes(text)
            if (found := match[0]) not in self._values and found not in self._literal
        ]

    def _original(self, match: re.Match[str]) -> str:
        return self._values.get(match[0], match[0])

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Originals of {len(self._values)} placeholders>"
