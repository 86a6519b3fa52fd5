"""What can be read from a text by rules: enough for an answer that fits it, far from what a model reads."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from pipeline.simulator.draws import Draws

_READ = 3000
"""Characters looked at: more would cost time and add nothing to an answer."""
_MOST_DATES = 3
_OPENING = 700
"""Characters that free texts are made of."""

_PUNCTUATION = ".,;:!?()\"'/-\u2019"
_PLACEHOLDER = re.compile(r"\[([A-Z][A-Z_]*)_\d+\]")
# Expressions for the whole text begin with one set of characters: the engine then skips to it at C's speed.
_AMOUNT = re.compile(r"[0-9][0-9.,']*")
_CURRENCY_BEFORE = re.compile(r"(?:[$\u20ac\u00a3]|\b(?:USD|EUR|GBP|CHF))\s?$")
_CURRENCY_AFTER = re.compile(r"\s?(?:[\u20ac\u00a3]|(?:USD|EUR|GBP|CHF|dollars|euros?|pounds|francs)\b)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERIC_DATE = re.compile(r"[0-9]{1,4}([-./])[0-9]{1,2}\1[0-9]{2,4}(?![0-9])")
_YEAR = re.compile(r"[12][90][0-9]{2}(?![0-9])")
_BEFORE_YEAR = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?\s(?:of\s)?)?\b(?P<month>"
    + "|".join(_MONTHS)
    + r")[a-z]*\.?(?:\s(?P<day2>\d{1,2})(?:st|nd|rd|th)?)?,?\s$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,4})?(?![\w,]|\.[0-9])")
_DAY_OR_MONTH = (
    r"(?!(?:January|February|March|April|May|June|July|August|September|October|November|December)\b)(?!\w+day\b)"
)
_PLACE = re.compile(rf"(?:in|at|near|on)\s(?:the\s)?{_DAY_OR_MONTH}([A-Z][\w'-]+(?:\s[A-Z][\w'-]+){{0,3}})")
_NAME = re.compile(r"(?:Mr|Mrs|Ms|Dr)\.?\s[A-Z][a-z]+(?:\s[A-Z][a-z]+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_HARM = re.compile(
    r"injur|hurt|pain|fractur|broken?\b.{0,20}\b(?:arm|leg|wrist|rib)|bruis|whiplash|concuss|bleed|sprain"
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
        """In lower case."""
        # Replacing mark by mark is five times as fast here as a regular expression for words.
        text = self._head.lower()
        for mark in _PUNCTUATION:
            text = text.replace(mark, " ")
        return frozenset(text.split())

    @cached_property
    def opening(self) -> str:
        """The text's beginning in one line."""
        return " ".join(self.text[:_OPENING].split())

    @cached_property
    def money(self) -> tuple[str, ...]:
        """Amounts with their currency, letter by letter."""
        found = []
        for amount in _AMOUNT.finditer(self._head):
            begins, ends = amount.start(), amount.start() + len(amount[0].rstrip(".,'"))
            if (before := _CURRENCY_BEFORE.search(self._head, max(0, begins - 5), begins)) is not None:
                found.append(self._head[before.start() : ends])
            elif (after := _CURRENCY_AFTER.match(self._head, ends)) is not None:
                found.append(self._head[begins : after.end()])
        return tuple(found)

    @cached_property
    def dates(self) -> tuple[datetime.date, ...]:
        numeric = (
            _numeric_date(found[0], found[1]) for found in islice(_NUMERIC_DATE.finditer(self._head), _MOST_DATES)
        )
        named = (
            _named_date(found, int(year[0]))
            for year in islice(_YEAR.finditer(self._head), _MOST_DATES)
            if (found := _BEFORE_YEAR.search(self._head, max(0, year.start() - 24), year.start())) is not None
        )
        return tuple(date for date in (*numeric, *named) if date is not None)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        return tuple(
            float(found[0])
            for found in _NUMBER.finditer(self._head)
            if not self._head[max(0, found.start() - 1) : found.start()].strip(" \n\t(:$\u20ac\u00a3")
        )

    @cached_property
    def people(self) -> tuple[str, ...]:
        return self.placeholders("PERSON", "NAME", "ORGANIZATION", "COMPANY") or _distinct(_NAME.findall(self._head))

    @cached_property
    def places(self) -> tuple[str, ...]:
        return self.placeholders("ADDRESS", "LOCATION", "PLACE") or _distinct(_PLACE.findall(self._head))

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """Placeholders of policies', claims' and vehicles' numbers."""
        return self.placeholders("POLICY", "CLAIM", "VIN", "LICENSE")

    @cached_property
    def injuries(self) -> tuple[str, ...]:
        if _HARM.search(self._head.lower()) is None:
            return ()
        sentences = (" ".join(sentence.split()) for sentence in _SENTENCE_END.split(self._head))
        return tuple(sentence for sentence in sentences if _HARM.search(sentence.lower()))

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


def _numeric_date(literal: str, mark: str) -> datetime.date | None:
    first, second, third = (int(part) for part in literal.split(mark))
    try:
        if mark == "-":
            return datetime.date(first, second, third)
        american = mark == "/" and first <= 12
        return datetime.date(third + 2000 * (third < 100), *((first, second) if american else (second, first)))
    except ValueError:
        return None


def _named_date(found: re.Match[str], year: int) -> datetime.date | None:
    try:
        return datetime.date(year, _MONTHS.index(found["month"].lower()) + 1, int(found["day2"] or found["day"] or 1))
    except ValueError:
        return None
