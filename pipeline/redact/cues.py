"""Words that say what the next value is, in the languages of the texts: a file of expressions for each cue."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Final

from pipeline.redact.lexicon import lines
from pipeline.redact.shadow import expression


class Cue(IntEnum):
    """What a word announces. Its words are the lines of `lists/cues/<cue>.txt`."""

    BIRTH = auto()
    PASSPORT = auto()
    POLICY = auto()
    CLAIM = auto()
    PLATE = auto()
    VEHICLE = auto()
    SSN = auto()
    NATIONAL = auto()
    PHONE = auto()
    CARD = auto()
    IBAN = auto()
    ACCOUNT = auto()
    VIN = auto()
    KEY = auto()
    PASSWORD = auto()
    ADDRESS = auto()
    VERSION = auto()
    OTHER_NUMBER = auto()
    """Orders, invoices, parcels, serial numbers: numbers that are nobody's."""
    HONORIFIC = auto()
    GREETING = auto()
    CLOSING = auto()
    """The phrase before a signature."""
    INTRODUCTION = auto()
    """Somebody says who they are."""
    PERSON = auto()
    """A word after which a person is named."""


NUMBERS: Final = frozenset(
    {
        Cue.BIRTH,
        Cue.PASSPORT,
        Cue.POLICY,
        Cue.CLAIM,
        Cue.PLATE,
        Cue.SSN,
        Cue.NATIONAL,
        Cue.CARD,
        Cue.IBAN,
        Cue.ACCOUNT,
        Cue.VIN,
    }
)
"""Cues that are names of fields, too: `date_of_birth`, `licensePlate`."""
PEOPLE: Final = frozenset({Cue.HONORIFIC, Cue.GREETING, Cue.CLOSING, Cue.INTRODUCTION, Cue.PERSON})
"""Cues beside which names stand, and nothing else."""
_BLANK: Final = expression(r" (?![^\[]*\])")


def words_of(cue: Cue) -> tuple[str, ...]:
    """The cue's expressions. Where a field's name has a blank it may have a hyphen, a line break or nothing at all."""
    found = lines(f"cues/{cue.name.lower()}")
    return tuple(_BLANK.sub(r"[ _\\r\\n-]{0,2}", line) for line in found) if cue in NUMBERS else found


def expressions(cue: Cue) -> tuple[str, ...]:
    """What the scanner looks for, caseless: each of the cue's words between characters that are no letter or digit.

    The match ends one character behind the word.
    """
    return tuple(rf"[^a-z0-9](?:{line})[^a-z0-9]" for line in words_of(cue))
