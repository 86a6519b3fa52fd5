"""People who are introduced: in a form's field, in mark-up, by themselves in a chat, or beside another person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from pipeline.redact.names.words import NAME

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


_FIELD: Final = re.compile(
    r"(?:(?<=\n)|(?<=\A)|(?<=[|;,({\[] )|(?<=[|;,({\[\"'. \t]))"
    r"[\"']?(?:(?:full|legal|first|last|middle|maiden|given|family|birth|driver|customer|client|patient"
    r"|claimant|tp|insured)"
    r"[ _-]?names?|surnames?|forenames?\(?s?\)?|christian names?|(?:pre)?noms?(?:\(s\))?(?: de (?:naissance"
    r"|famille)| d'usage"
    r"| complet| et prenoms?)?|(?:vor|nach|familien|geburts|ruf)namen?|apellidos?(?: y nombres?)?"
    r"|nombres?(?: y apellidos)?"
    r"|(?:cog|sobre)?nome(?: completo| e cognome)?|(?:voor|achter)?na(?:am|men)|imie|nazwisko|(?:for|efter)nav?mn?"
    r"|names?)[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?"
    rf"(?P<name>{_ANY_WORD}(?: {_ANY_WORD}){{0,4}})[\"']?[ \t]*(?=[\n;|,\"'}})]|\Z)",
    re.IGNORECASE,
)
_TAG: Final = re.compile(
    r"<(?P<tag>(?:given|family|first|last|sur|full|fore|middle|customer|holder)[_-]?(?:name)?|name|surname"
    r"|prenom|nom|nombre"
    r"|apellidos?|cognome|vorname|nachname)[^<>\n]{0,60}>\s?"
    rf"(?P<name>{_ANY_WORD}(?: {_ANY_WORD}){{0,4}})\s?</",
    re.IGNORECASE,
)
_SELF: Final = re.compile(
    r"(?<![A-Za-z])(?:(?:hier|da) (?:ist|spricht)|mein name ist|ich bin|c'est|je suis|je m'appelle|this is"
    r"|my name is|my name's"
    r"|name's|i am|i'm|soy|me llamo|aqui|habla|sono|mi chiamo|sou|chamo-me|meu nome e|ik ben|met|u spreekt met"
    r"|mijn naam is)"
    rf" (?:(?:der|die|de|la|le|el|o|a) )?(?P<name>{_LOWER}(?: {_LOWER}){{1,3}})[ \t]?(?=[\n,.!]|\Z| (?:again"
    rf"|here|speaking|hier"
    r"|am apparat))",
)
_AGAIN: Final = re.compile(
    rf"(?<![A-Za-z])(?:its|it's|it is) (?P<name>{_LOWER} {_LOWER})(?= (?:again"
    rf"|here)\b)",
    re.IGNORECASE,
)
_SECOND: Final = re.compile(
    r"(?:\n|\A)[ \t>]{0,4}(?:Hi|Hello|Hey|Dear|Hallo|Liebe|Lieber|Bonjour|Cher|Chers|Chere|Hola|Ciao|Cari"
    r"|Caro|Ola|Beste|Moin"
    r"|Salut|Queridos|Estimados"
    r"|Good \w+)(?: all)?,? (?P<first>[A-Z][A-Za-z'-]{1,24}(?:, [A-Z][A-Za-z'-]{1,24}){0,3})"
    r",? (?:and|und|et|y|e|en|i|og|och|&|\+) (?P<name>[A-Z][A-Za-z'-]{1,24}) ?(?=[,!:.\n-]|\Z)"
)
_SPOKEN_OF: Final = re.compile(
    r"\b[Ii]s (?P<there>[A-Z][a-z'-]{1,20}) (?:there|around|available|home|in)\b"
    r"|\b(?P<kin>[A-Z][a-z-]{1,20})'s my [a-z]{3,9}"
    r"|(?:\n|\A|@[A-Za-z0-9_]{2,20} )(?P<here>[A-Z][A-Za-z'-]{2,20}(?: [A-Z][A-Za-z'-]{1,20})?) here[,. ]"
)
_SLASHED: Final = re.compile(rf"[.!?)] ?(?:/|//|~|--) ?(?P<name>{NAME})[ \t]*\Z")


def introductions(text: str) -> Iterator[Introduction]:
    """Places of names in a shadow. Each expression is bounded, and begins with a word or a sign that is rare."""
    lower = text.lower()
    if ":" in text or "=" in text:
        for match in _FIELD.finditer(text):
            yield Introduction(*match.span("name"), Sureness.FIELD)
    if "</" in text:
        for match in _TAG.finditer(text):
            yield Introduction(*match.span("name"), Sureness.FIELD)
    for match in _SELF.finditer(lower):
        if text[match.start("name") : match.end()].islower():
            yield Introduction(*match.span("name"), Sureness.LOWER)
    for match in _AGAIN.finditer(text):
        yield Introduction(*match.span("name"), Sureness.LOWER)
    for match in _SECOND.finditer(text):
        yield Introduction(*match.span("name"), Sureness.CAPITALS)
        yield Introduction(*match.span("first"), Sureness.CAPITALS)
    for match in _SPOKEN_OF.finditer(text):
        yield Introduction(*match.span(match.lastgroup or 0), Sureness.CAPITALS)
    if (found := _SLASHED.search(text, max(0, len(text) - 60))) is not None:
        yield Introduction(*found.span("name"), Sureness.CAPITALS)
