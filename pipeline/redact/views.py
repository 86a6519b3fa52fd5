"""A view: a text as a reader, a browser or a mail program would make of it, with the way back to the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """A changed shadow; `starts[i]` and `ends[i]` say where its i-th character stood; without `ends`, each began and
    ended as one character.

    With `seams` (where lines were put together), only finds that reach over one of them say anything new.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int] = ()
    seams: tuple[int, ...] = ()

    @classmethod
    def of(cls, shadow: str) -> View:
        """The shadow itself as a view."""
        return cls(shadow, range(len(shadow)), range(1, len(shadow) + 1))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that `text[start:end]` came from."""
        return self.starts[start], self.ends[end - 1] if self.ends else self.starts[end - 1] + 1

    def is_new(self, start: int, end: int) -> bool:
        """True for a stretch that the original did not show in one piece."""
        return not self.seams or any(start < seam < end for seam in self.seams)
