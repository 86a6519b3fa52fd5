"""Tables in a text: what stands in a column is what its heading says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.redact.cues import Cue, words_of
from pipeline.redact.lexicon import lines
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found
from pipeline.redact.shadow import expression

_SEPARATORS: Final = (expression(r"\t"), expression(r";"), expression(r"\|"), expression(r","), expression(r" {2,}"))
_NO_LETTERS: Final = expression(r"[^a-z]+")
_COLUMNS: Final = {
    name.strip(): PiiType(kind)
    for line in lines("columns")
    for kind, _, names in [line.partition(":")]
    for name in names.split(",")
}
_CUE_WORDS: Final = tuple(
    (PiiType(kind), expression(rf"(?<![a-z])(?:{'|'.join(f'(?:{words})' for words in words_of(cue))})(?![a-z])"))
    for cue, kind in (
        (Cue.BIRTH, "DATE_OF_BIRTH"),
        (Cue.SSN, "SSN"),
        (Cue.NATIONAL, "NATIONAL_ID"),
        (Cue.PASSPORT, "PASSPORT"),
        (Cue.VIN, "VIN"),
        (Cue.PLATE, "LICENSE_PLATE"),
        (Cue.CLAIM, "CLAIM_NUMBER"),
        (Cue.POLICY, "POLICY_NUMBER"),
        (Cue.IBAN, "IBAN"),
        (Cue.CARD, "CREDIT_CARD"),
        (Cue.PHONE, "PHONE"),
    )
)
"""Of several cues in one title the first of these says what the column holds."""
_OTHER_MATTER: Final = expression(
    r"(?<![a-z])(?:amount|date(?! of birth)|status|type|sum|value|count|reserve|paid|total|start|end|expir|limit"
    r"|premium|price|currency|betrag|city|place|issu|country|art(?![a-z])|ort(?![a-z])|montant|importe|estado|class|category"
    r"|year|reason|desc|notes?(?![a-z])|comment|company|firm|product|file|model|make)",
)
"""The column is about a policy or claim and holds no number of one."""
_NAMES: Final = expression("|".join(f"(?:{line})" for line in lines("name_headers")))
_FEWEST: Final = 3
_FEWEST_KNOWN: Final = 2
_MOST_WORDS: Final = 5
_SHORTEST: Final = 3


def find(shadow: str, headings: Sequence[int], names: bool) -> list[Found]:
    """Values in the columns below each heading line; `headings` are places inside those lines."""
    found, done = list[Found](), 0
    for place in headings:
        start = shadow.rfind("\n", 0, place) + 1
        if start < done:
            continue
        done = start + 1
        end = _line_end(shadow, start)
        for separator in _SEPARATORS:
            titles = [
                _NO_LETTERS.sub(" ", shadow[a:b].lower()).strip() for a, b in _cells(shadow, start, end, separator)
            ]
            if len(titles) < _FEWEST or _COLUMNS.keys().isdisjoint(titles):
                continue
            kinds = [_kind(title) for title in titles]
            if sum(kind is not None for kind in kinds) >= _FEWEST_KNOWN:
                done = _rows(shadow, end + 1, separator, kinds, names, found)
                break
    return found


def _kind(title: str) -> PiiType | None:
    """What a column of this title holds; a title that no list knows by the cue words in it."""
    if (kind := _COLUMNS.get(title)) is not None or not title:
        return kind
    if _NAMES.fullmatch(title) is not None:
        return PiiType.PERSON
    if _OTHER_MATTER.search(title) is not None:
        return None
    return next((kind for kind, words in _CUE_WORDS if words.search(title) is not None), None)


def _rows(
    shadow: str, at: int, separator: re.Pattern[str], kinds: Sequence[PiiType | None], names: bool, found: list[Found]
) -> int:
    """The finds of the lines that have as many cells as the heading; returns where they end."""
    while at < len(shadow):
        end = _line_end(shadow, at)
        cells = list(_cells(shadow, at, end, separator))
        if len(cells) != len(kinds):
            break
        for (start, stop), kind in zip(cells, kinds, strict=True):
            if kind is not None and (names or kind is not PiiType.PERSON) and _is_value(shadow[start:stop], kind):
                found.append(Found(start, stop, kind, Strength.CUED))
        at = end + 1
    return at


def _cells(shadow: str, start: int, end: int, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where each cell's text stands, without blanks and quotes around it."""
    for match in separator.finditer(shadow, start, end):
        yield _stripped(shadow, start, match.start())
        start = match.end()
    yield _stripped(shadow, start, end)


def _stripped(shadow: str, start: int, end: int) -> tuple[int, int]:
    while start < end and shadow[start] in " \"'\r":
        start += 1
    while end > start and shadow[end - 1] in " \"'\r":
        end -= 1
    return start, end


def _is_value(text: str, kind: PiiType) -> bool:
    """No empty cell, no dash, no `n/a`; people have letters and no digits, what has numbers has some."""
    letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
    if kind is PiiType.PERSON:
        return letters > 1 and not digits and text.count(" ") < _MOST_WORDS
    if kind in (PiiType.ADDRESS, PiiType.DATE_OF_BIRTH):
        return letters + digits > _SHORTEST
    if kind is PiiType.LICENSE_PLATE:
        return digits > 0 and letters + digits > _SHORTEST
    return digits >= _SHORTEST or (kind is PiiType.EMAIL and "@" in text)


def _line_end(shadow: str, start: int) -> int:
    end = shadow.find("\n", start)
    return len(shadow) if end < 0 else end
