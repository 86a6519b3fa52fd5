"""What a word may be: one look-up for all lists of names and words."""

from __future__ import annotations

import functools
from typing import Final

from pipeline.redact.lexicon import words
from pipeline.redact.shadow import fold

# Plain integers: this is looked up for each capitalised word of each text, and IntFlag costs a microsecond an "and".
GIVEN: Final = 1
SURNAME: Final = 2
WORD: Final = 4
"""An everyday word of one of the languages."""
AMBIGUOUS: Final = 8
"""A name that is also an everyday word, a place, a brand or a month."""
ORGANISATION: Final = 16
PARTICLE: Final = 32
FUNCTION: Final = 64
"""A word that holds sentences together."""
TITLE: Final = 128
"""A word of respect."""

NAME: Final = GIVEN | SURNAME
NO_NAME: Final = WORD | ORGANISATION

_LISTS: Final = (
    ("given_names", GIVEN),
    ("surnames", SURNAME),
    ("words", WORD),
    ("function_words", WORD | FUNCTION),
    ("titles", WORD | TITLE),
    ("organisation_words", ORGANISATION),
    ("name_particles", PARTICLE),
)
_PRONOUNS: Final = "IAOYEU"
"""Capitals that are a word of their own in one of the languages, and so no initial without a full stop."""


@functools.cache
def kinds() -> dict[str, int]:
    """Flags by word, as it stands in a shadow: lower case, Title case and UPPER CASE each have their entry."""
    flags: dict[str, int] = {}
    for name, kind in _LISTS:
        for word in words(name):
            for part in {word, *word.split("-")} if kind & NAME else (word,):
                key = fold(part).lower()
                flags[key] = flags.get(key, 0) | kind
    for city in words("cities"):
        key = fold(city).lower()
        if flags.get(key, 0) & NAME:
            flags[key] |= AMBIGUOUS
        else:
            flags[key] = flags.get(key, 0) | WORD
    for key in words("ambiguous_names"):
        if flags.get(key, 0) & NAME:
            flags[key] |= AMBIGUOUS
    for key, flag in flags.items():
        if flag & WORD and flag & NAME:
            flags[key] = flag | AMBIGUOUS
    return {form: flag for key, flag in flags.items() for form in (key, key.title(), key.capitalize(), key.upper())}


def kind_of(word: str) -> int:
    """Flags of a word of a shadow, 0 when no list knows it; of a hyphenated one what both parts are."""
    known = kinds()
    if len(word) < 3:
        bare = word.rstrip(".")
        if len(bare) == 1:
            return WORD if word in _PRONOUNS else 0
    found = known.get(word)
    if found is not None:
        return found
    if "-" in word:
        head, _, rest = word.partition("-")
        tail = rest.rpartition("-")[2]
        first, last = known.get(head, 0), known.get(tail, 0)
        return (first & last & ~WORD) or (first | last) & ORGANISATION
    if "'" in word:
        head, _, tail = word.rpartition("'")
        return known.get(head if len(tail) < 2 else tail, 0)
    return known.get(word.rstrip("."), 0)


def is_certain(word: str) -> bool:
    """True for a lower-case word that is a given name and nothing else."""
    return kinds().get(word, 0) & (GIVEN | AMBIGUOUS | NO_NAME) == GIVEN


def is_telling(word: str) -> bool:
    """True for a lower-case part of a name that tells the person elsewhere: no particle, no everyday word."""
    kind = kinds().get(word, 0)
    return not kind & FUNCTION and (bool(kind & NAME) or not kind & (WORD | PARTICLE | ORGANISATION))


def is_everyday(word: str) -> bool:
    """True for a lower-case word that, alone, is no evidence of a person."""
    return bool(kinds().get(word, 0) & (WORD | AMBIGUOUS))
