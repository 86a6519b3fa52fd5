"""`Redaction`: a record after the redactor. Its texts may leave; its originals may not, and it watches over that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pipeline.errors import LeakError
from pipeline.redact.canonical import squash
from pipeline.redact.leak import Needles
from pipeline.redact.originals import Originals
from pipeline.redact.pii import PiiType, PlacedSpan, Span
from pipeline.redact.redacted import Redacted


class Finder(Protocol):
    """What a redaction asks of the redactor that made it."""

    def structured(self, text: str) -> Sequence[Span]:
        """Structured personal data in any text."""

    def known_in(self, text: str, known: Sequence[tuple[PiiType, str]]) -> Sequence[Span]:
        """Structured personal data in any text, and the given values wherever they stand."""


class Redaction:
    """What became of one record. Its repr, and whatever it raises, is free of values.

    `fields`: the texts as they may be sent. `counts`: values taken out, by type. `spans`: where they stood.
    `originals`: what the placeholders stand for.
    """

    __slots__ = ("_finder", "_known", "_made_needles", "counts", "fields", "originals", "spans")

    def __init__(
        self,
        fields: Mapping[str, Redacted],
        spans: Mapping[str, Sequence[PlacedSpan]],
        counts: Mapping[str, int],
        originals: Originals,
        known: Iterable[tuple[PiiType, str]],
        finder: Finder,
    ) -> None:
        self.fields = fields
        self.spans = spans
        self.counts = counts
        self.originals = originals
        self._known = tuple(known)
        self._finder = finder
        self._made_needles: Needles | None = None

    def check_prompt(self, text: str) -> None:
        """Raises LeakError when an original value stands in the text in any normalised or decoded form."""
        if (kind := self._needles().in_text(text)) is not None:
            raise LeakError(f"an original value ({kind}) stood in the prompt")

    def check_answer(self, texts: Mapping[str, str], allowed: frozenset[PiiType] = frozenset()) -> None:
        """Looks through an answer's texts (by field) before anything is restored in them.

        Raises LeakError when an original value stands in one, or structured personal data that the model made up.
        Types in `allowed` may stand there.
        """
        for field, text in texts.items():
            if (kind := self._needles().in_text(text, allowed)) is not None:
                raise LeakError(f"an original value ({kind}) stood in the answer's {field}")
            for span in self._finder.structured(text):
                if span.type not in allowed and not self._was_sent(text[span.start : span.end]):
                    raise LeakError(f"new personal data ({span.type}) stood in the answer's {field}")

    def placeholders_unknown(self, text: str) -> list[str]:
        """What looks like a placeholder but is none of this record's: damaged or made up."""
        return self.originals.unknown(text)

    def restore(self, text: str) -> str:
        """The text with its placeholders put back. Raises RedactionError when one is damaged or unknown."""
        return self.originals.restore(text)

    def mask(self, text: str) -> str:
        """Any text (a traceback, a preview) with this record's values and all structured personal data masked."""
        parts, at = list[str](), 0
        for span in self._finder.known_in(text, self._known):
            parts += (text[at : span.start], f"[{span.type.value}]")
            at = span.end
        parts.append(text[at:])
        return "".join(parts)

    def _needles(self) -> Needles:
        if self._made_needles is None:
            self._made_needles = Needles(self._known)
        return self._made_needles

    def _was_sent(self, value: str) -> bool:
        """True when the model did not make it up: it stood in the redacted text for all to see."""
        squashed = squash(value)
        return any(squashed in squash(field.text) for field in self.fields.values())

    def __repr__(self) -> str:
        return f"<Redaction of {len(self.fields)} fields, {sum(self.counts.values())} values>"
