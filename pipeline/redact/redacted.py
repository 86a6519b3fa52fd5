"""`Redacted`: the only kind of record text that the gateway accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

_MAKER: Final = object()


@final
class Redacted:
    """Text from which personal data were taken out. Made by the redactor only; the type is the proof.

    It is not a `str`: it cannot slip into a log line or a prompt by accident, and its repr shows no text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("Redacted text is made by the redactor only: use Redactor.redact()")
        self._text = text

    @property
    def text(self) -> str:
        """The text, for the wire."""
        return self._text

    @classmethod
    def authored(cls, text: str) -> Redacted:
        """Text written by a prompt's author (not from a record): templates, label descriptions, fixed words."""
        return cls(text, _MAKER)

    @classmethod
    def assemble(cls, *parts: Redacted) -> Redacted:
        """Parts put one after another."""
        return cls("".join(part._text for part in parts), _MAKER)

    def shortened(self, head: int, tail: int) -> Redacted:
        """The first `head` and last `tail` characters, a mark between them; itself when it is no longer than both."""
        if len(self._text) <= head + tail:
            return self
        return Redacted(self._text[:head] + "\n[...]\n" + self._text[len(self._text) - tail :], _MAKER)

    def kept(self, spans: Iterable[tuple[int, int]]) -> Redacted:
        """Only these (start, end) pieces, one after another."""
        return Redacted("".join(self._text[start:end] for start, end in spans), _MAKER)

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redacted) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"<Redacted {len(self._text)} characters>"


def vouch(text: str) -> Redacted:
    """The redactor's own way to make `Redacted`; import-linter keeps it inside `pipeline.redact`."""
    return Redacted(text, _MAKER)
