"""Words that say what the next value is, in the languages of the texts: a file of expressions for each cue."""

from __future__ import annotations

from enum import IntEnum, auto

from pipeline.redact.lexicon import lines


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
    PERSON = auto()
    """A word after which a person is named."""


def expressions(cue: Cue) -> tuple[str, ...]:
    """What the scanner looks for, caseless: each of the cue's words between characters that are no letter or digit.

    The match ends one character behind the word.
    """
    return tuple(rf"[^a-z0-9](?:{line})[^a-z0-9]" for line in lines(f"cues/{cue.name.lower()}"))
