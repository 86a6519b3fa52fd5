"""The leak check: does an original value stand in a text, however it is cased, grouped, accented or encoded?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.redact.canonical import squash_shadow, tokens_of_shadow
from pipeline.redact.decoding import decoded
from pipeline.redact.multisearch import MultiSearch
from pipeline.redact.names.kinds import is_everyday
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import ERASED, expression, fold

_REGROUPED: Final = 9
"""From this many letters and digits on, a value is looked for without regard to where words end."""
_SHORTEST: Final = 2
_CASED_WORD: Final = expression(r"[A-Za-z0-9]+")


class Needles:
    """Original values, prepared to be looked for. Holds personal data: no repr."""

    __slots__ = ("_names", "_phrase_search", "_phrases", "_squashed", "_squashed_search")

    def __init__(self, values: Iterable[tuple[PiiType, str]]) -> None:
        """`values`: type and original text. A name that is one everyday word is no evidence and left out."""
        self._squashed: dict[str, PiiType] = {}
        self._phrases: dict[str, PiiType] = {}
        self._names: set[str] = set()
        for kind, original in values:
            shadow = fold(original)
            words = tokens_of_shadow(shadow)
            squashed = "".join(words)
            if len(squashed) < _SHORTEST:
                continue
            if kind is PiiType.PERSON and len(words) == 1:
                if not is_everyday(words[0]):
                    self._names |= {shadow.replace(ERASED, ""), words[0].title(), words[0].upper()}
                continue
            self._phrases[f" {' '.join(words)} "] = kind
            if len(squashed) >= _REGROUPED:
                self._squashed[squashed] = kind
        self._squashed_search, self._phrase_search = MultiSearch(self._squashed), MultiSearch(self._phrases)

    def in_text(self, text: str, allowed: frozenset[PiiType] = frozenset()) -> PiiType | None:
        """The type of an original value that stands in the text or in what it decodes to; None when none does."""
        shadow = fold(text)
        if (kind := self._in_shadow(shadow, allowed)) is not None:
            return kind
        return next(
            (kind for view in decoded(shadow) if (kind := self._in_shadow(view.text, allowed)) is not None), None
        )

    def _in_shadow(self, shadow: str, allowed: frozenset[PiiType]) -> PiiType | None:
        for _, needle in self._squashed_search.places(squash_shadow(shadow)):
            if (kind := self._squashed[needle]) not in allowed:
                return kind
        for _, needle in self._phrase_search.places(f" {' '.join(tokens_of_shadow(shadow))} "):
            if (kind := self._phrases[needle]) not in allowed:
                return kind
        if self._names and PiiType.PERSON not in allowed and not self._names.isdisjoint(_CASED_WORD.findall(shadow)):
            return PiiType.PERSON
        return None
