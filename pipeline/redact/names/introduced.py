"""People who are introduced: in a form's field, in mark-up, by themselves in a chat, or beside another person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from pipeline.redact.cues import Cue
from pipeline.redact.names.sights import Sights
from pipeline.redact.names.words import NAME
from pipeline.redact.shadow import expression

_LOWER: Final = r"[a-z]{2,20}(?:['-][a-z]{2,20})?"
_ANY_WORD: Final = r"[A-Za-z][A-Za-z'.-]{0,24}"


class Sureness(Enum):
    """How far what stands there is a name."""

    FIELD = auto()
    """Whatever its words are, but for those that hold sentences together."""
    CAPITALS = auto()
    """The capitals there, up to an everyday word."""
    LOWER = auto()
    """Words in lower case, if none is an everyday word."""


class Introduction(NamedTuple):
    """Where a name may stand."""

    start: int
    end: int
    sureness: Sureness


_LABEL: Final = expression(
    r"(?:names?|surnames?|forenames?|noms?|naissance|d'usage|complet|vornamen?|apellidos|nombres?|nome|cognome|completo"
    r"|na(?:am|men)|imie|nazwisko|navn|namn)\Z",
    re.IGNORECASE,
)
_FIELD: Final = expression(
    r"(?:\(s\)|\(en\))?(?: de (?:naissance|famille)| d'usage| complet| completo| y apellidos| et prenoms?| e cognome)?"
    r"[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?"
    rf"(?P<name>{_ANY_WORD}(?: {_ANY_WORD}){{0,4}})[\"']?[ \t]*(?=[\n;|,\"'}})]|\Z)",
    re.IGNORECASE,
)
_SAYS_NAME: Final = expression(
    r"(?:name(?: is|'s| ist)|(?:heis|heiss)e|m'appelle|me llamo|mi chiamo|chamo-me|nome e|naam is)\Z", re.IGNORECASE
)
_FULL: Final = expression(r" (?P<name>[A-Z][a-z'-]{1,20} [A-Z][a-z'-]{1,20})(?= (?:and|und|et|y|e|en)\b|[,.;!\n]|\Z)")
"""Two capitals behind words that say nothing but a name: whatever else they mean."""
_TAG: Final = expression(
    r"<(?P<tag>(?:given|family|first|last|sur|full|fore|middle|customer|holder)[_-]?(?:name)?|name|surname"
    r"|prenom|nom|nombre"
    r"|apellidos?|cognome|vorname|nachname)[^<>\n]{0,60}>\s?"
    rf"(?P<name>{_ANY_WORD}(?: {_ANY_WORD}){{0,4}})\s?</",
    re.IGNORECASE,
)
_SELF: Final = expression(
    rf" (?:(?:der|die|de|la|le|el|o|a) )?(?P<name>{_LOWER}(?: {_LOWER}){{1,3}}?)[ \t]?"
    r"(?=[\n,.!]|\Z| (?:again|here|speaking|hier|am apparat))"
)
_AGAIN: Final = expression(rf" (?P<name>{_LOWER} {_LOWER})(?= (?:again|here)\b)")
_SECOND: Final = expression(
    r"(?: all)?,? (?P<first>[A-Z][A-Za-z'-]{1,24}(?:, [A-Z][A-Za-z'-]{1,24}){0,3})"
    r",? (?:and|und|et|y|e|en|i|og|och|&|\+) (?P<name>[A-Z][A-Za-z'-]{1,24}) ?(?=[,!:.\n-]|\Z)"
)
_SPOKEN_OF: Final = expression(
    r"\b[Ii]s (?P<there>[A-Z][a-z'-]{1,20}) (?:there|around|available|home|in)\b"
    r"|\b(?P<kin>[A-Z][a-z-]{1,20})'s my [a-z]{3,9}"
    r"|(?:\n|\A|@[A-Za-z0-9_]{2,20} )(?P<here>[A-Z][A-Za-z'-]{2,20}(?: [A-Z][A-Za-z'-]{1,20})?) here[,. ]"
)
_SLASHED: Final = expression(rf"[.!?)] ?(?:/|//|~|--) ?(?P<name>{NAME})[ \t]*\Z")


def introductions(text: str, sights: Sights) -> Iterator[Introduction]:
    """Places of names in a shadow: near words that were seen in it, or where a rare sign stands."""
    for end in sights.ends(Cue.PERSON):
        match = _FIELD.match(text, end)
        if match is not None and _LABEL.search(text, max(0, end - 12), end) is not None:
            yield Introduction(*match.span("name"), Sureness.FIELD)
    for end in sights.ends(Cue.INTRODUCTION):
        full = _FULL.match(text, end)
        if full is not None and _SAYS_NAME.search(text, max(0, end - 12), end) is not None:
            yield Introduction(*full.span("name"), Sureness.FIELD)
        match = (
            _AGAIN if text[end - 1] in "sS" and text[max(0, end - 4) : end].strip().lower() in _ITS else _SELF
        ).match(text, end)
        if match is not None:
            yield Introduction(*match.span("name"), Sureness.LOWER)
    for end in sights.ends(Cue.GREETING):
        if (match := _SECOND.match(text, end)) is not None:
            yield Introduction(*match.span("name"), Sureness.CAPITALS)
            yield Introduction(*match.span("first"), Sureness.CAPITALS)
    if "</" in text:
        for match in _TAG.finditer(text):
            yield Introduction(*match.span("name"), Sureness.FIELD)
    if sights.spoken:
        for match in _SPOKEN_OF.finditer(text):
            yield Introduction(*match.span(match.lastgroup or 0), Sureness.CAPITALS)
    if (found := _SLASHED.search(text, max(0, len(text) - 60))) is not None:
        yield Introduction(*found.span("name"), Sureness.CAPITALS)


_ITS: Final = frozenset(["its", "it's"])
