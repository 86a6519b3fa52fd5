"""What can be read from a text by rules: enough for an answer that fits it, far from what a model reads."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property

from pipeline.simulator.draws import Draws

_READ = 6000
"""Characters looked at: more would cost time and add nothing to an answer."""

_WORDS = re.compile(r"[^\W\d_]{3,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_PLACEHOLDER = re.compile(r"\[([A-Z][A-Z_]*)_(\d+)\]")
_MONEY = re.compile(
    r"(?:[$€£]|\b(?:USD|EUR|GBP|CHF)\b)\s?\d[\d.,']*\d?"
    r"|\b\d[\d.,']*\s?(?:€|£|(?:USD|EUR|GBP|CHF|dollars|euros?|pounds|francs)\b)"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\b(?:(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})"
    r"|(?P<a>\d{1,2})(?P<mark>[./])(?P<b>\d{1,2})[./](?P<year>\d{4}|\d{2})"
    rf"|(?P<month>{_MONTH})\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year2>\d{{4}})"
    rf"|(?P<day3>\d{{1,2}})(?:st|nd|rd|th|\.)?\s(?:of\s)?(?P<month3>{_MONTH}),?\s(?P<year3>\d{{4}}))\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,-])\d{1,6}(?:\.\d{1,4})?(?![\w,]|\.\d)")
_PLACE = re.compile(r"\b(?:in|at|near|on)\s(?:the\s)?([A-Z][\w'-]+(?:\s[A-Z][\w'-]+){0,3})")
_NAME = re.compile(r"\b(?:Mr|Mrs|Ms|Dr)\.?\s[A-Z][a-z]+(?:\s[A-Z][a-z]+)?")
_HARM = re.compile(
    r"injur|hurt|pain|fractur|broke[n]?\b.{0,20}\b(?:arm|leg|wrist|rib)|bruis|whiplash|concuss|bleed|sprain"
)
_LANGUAGES = {
    "en": frozenset(("the", "and", "you", "for", "was", "have", "that", "with", "this", "not")),
    "de": frozenset(("und", "der", "die", "das", "ich", "nicht", "ist", "mit", "wir", "eine")),
    "fr": frozenset(("les", "des", "est", "une", "pour", "dans", "vous", "que", "pas", "mon")),
    "es": frozenset(("que", "los", "una", "por", "para", "con", "del", "mi", "esta", "las")),
    "it": frozenset(("che", "per", "una", "non", "con", "sono", "del", "della", "mio", "gli")),
    "nl": frozenset(("het", "een", "van", "niet", "ik", "mijn", "voor", "dat", "zijn", "met")),
    "pt": frozenset(("que", "não", "uma", "com", "para", "meu", "minha", "por", "foi", "está")),
}


@dataclass
class Facts:
    """One text, looked at only as far as an answer asks for."""

    text: str
    prompt: str
    """The author's words around the text: where labels are explained."""
    draws: Draws

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(_WORDS.findall(self._head.lower()))

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        parts = (" ".join(part.split()) for part in _SENTENCE_END.split(self.text[:1500]))
        return tuple(part for part in parts if len(part) > 1)

    @cached_property
    def money(self) -> tuple[str, ...]:
        """Amounts with their currency, letter by letter."""
        return tuple(found[0].rstrip(".,'") for found in _MONEY.finditer(self._head))

    @cached_property
    def dates(self) -> tuple[datetime.date, ...]:
        return tuple(date for found in _DATE.finditer(self._head) if (date := _date(found)) is not None)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        return tuple(float(found[0]) for found in _NUMBER.finditer(self._head))

    @cached_property
    def people(self) -> tuple[str, ...]:
        return self.placeholders("PERSON", "NAME", "ORGANIZATION", "COMPANY") or _distinct(_NAME.findall(self._head))

    @cached_property
    def places(self) -> tuple[str, ...]:
        return self.placeholders("ADDRESS", "LOCATION", "PLACE") or _distinct(_PLACE.findall(self._head))

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """Placeholders of policy, claim and other numbers."""
        return self.placeholders("POLICY", "CLAIM", "ACCOUNT", "IBAN", "CARD", "ID")

    @cached_property
    def injuries(self) -> tuple[str, ...]:
        return tuple(sentence for sentence in self.sentences if _HARM.search(sentence.lower()))

    @cached_property
    def language(self) -> str:
        """ISO 639-1 code, by the commonest words."""
        return max(_LANGUAGES, key=lambda code: len(_LANGUAGES[code] & self.words))

    def placeholders(self, *types: str) -> tuple[str, ...]:
        """Placeholders such as `[PERSON_1]` whose type begins with one of `types`."""
        return tuple(literal for kind, literal in self._placeholders if kind.startswith(types))

    @cached_property
    def _placeholders(self) -> tuple[tuple[str, str], ...]:
        return tuple(dict.fromkeys((found[1], found[0]) for found in _PLACEHOLDER.finditer(self._head)))

    @cached_property
    def _head(self) -> str:
        return self.text[:_READ]


def _distinct(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _date(found: re.Match[str]) -> datetime.date | None:
    try:
        if found["iso"]:
            return datetime.date.fromisoformat(found["iso"])
        if found["a"]:
            first, second = int(found["a"]), int(found["b"])
            year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
            american = found["mark"] == "/" and first <= 12
            return datetime.date(year, *((first, second) if american else (second, first)))
        month = str(found["month"] or found["month3"])[:3].lower()
        day = int(found["day"] or found["day3"])
        return datetime.date(int(found["year2"] or found["year3"]), _MONTHS.index(month) + 1, day)
    except ValueError:
        return None
