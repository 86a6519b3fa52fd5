"""Passports and vehicle identification numbers."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact import checksums
from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import words
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.patterns.standing import digits, touching
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_PASSPORT_TOKEN: Final = (
    r"[A-Z]{0,3} ?\d{6,9}[A-Z]?|[A-Z]\d{1,2} \d{6,7}|[A-Z0-9]{6,10}|\d{2}[ -]?[A-Z]{2}[ -]?\d{5}"
    r"|\d{3}[ .-]\d{3}[ .-]\d{3}"
    r"|[A-Z]{1,3}[ -]?\d{2,4}(?:[ -]\d{2,4}){1,3}|[A-Z]\d{2}[ -][A-Z0-9]{2,3}[ -][A-Z0-9]{2,4}"
)
_PASSPORT_FORM: Final = expression(rf"(?<![A-Za-z0-9])(?:{_PASSPORT_TOKEN})(?![A-Za-z0-9])")
_GERMAN_DOCUMENT: Final = expression(r"[CFGHJKLMNPRTVWXYZ]{9,10}")
"""German document numbers use no vowels and may have no digit."""

_SEPARATORS: Final = expression(r"[ ._/-]+")
_VIN_LENGTH: Final = 17
_MAKERS: Final = words("vehicle_makers")


def _vin(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = _SEPARATORS.sub("", context.text[start:end]).upper()
    if len(value) != _VIN_LENGTH or touching(context, start, end) or not 4 <= digits(value) < 17:
        return None
    if checksums.vin(value) or value[:3] in _MAKERS or context.after(Cue.VIN, start, reach=60):
        return start, end
    return None


def _vin_in_groups(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Seventeen letters and digits, in whatever groups."""
    places = [place for place in range(start, end) if context.text[place].isalnum()]
    end = places[_VIN_LENGTH - 1] + 1
    value = context.text[start:end]
    return (start, end) if digits(value) >= 4 and not context.behind(end).isalnum() else None


def _passport(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = context.text[start:end]
    if touching(context, start, end) or (value.islower() and digits(value) < 5):
        return None
    return (start, end) if digits(value) or _GERMAN_DOCUMENT.fullmatch(value) else None


def _machine_readable(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """The second line of a passport's machine-readable zone; `start` is the check digit behind the number."""
    begin = start - _NUMBER_LENGTH
    if begin < 0 or _DOCUMENT_NUMBER.match(context.text, begin, start) is None or context.before(begin).isalnum():
        return None
    return begin, end


_NUMBER_LENGTH: Final = 9
_DOCUMENT_NUMBER: Final = expression(r"[A-Z0-9<]{9}")


PATTERNS: Final = (
    Pattern(
        PiiType.VIN,
        r"\b[A-HJ-NPR-Z0-9]{13}\d{4}\b|\b[A-HJ-NPR-Z0-9]{17}\b",
        Strength.PROVEN,
        check=_vin,
        caseless=True,
        yes=("VIN «WVWZZZ1JZXW000001».", "«1HGCM82633A004352»", "chassis number «XYZ12345678901234»"),
        no=("84a6cea4e50d49a00", "12345678901234567"),
    ),
    Pattern(
        PiiType.VIN,
        r"\b[A-HJ-NPR-Z0-9]{3}[ -][A-HJ-NPR-Z0-9]{5,6}[ -][A-HJ-NPR-Z0-9]{8,9}\b"
        r"|\b[A-HJ-NPR-Z0-9]{4}[ -][A-HJ-NPR-Z0-9]{4}[ -][A-HJ-NPR-Z0-9]{4}[ -][A-HJ-NPR-Z0-9]{5}\b",
        Strength.PROVEN,
        check=_vin,
        yes=("Ford, «1HG-CM8263-3A004352»", "FIN «WVWZ ZZ1J ZXW0 00001»,"),
        no=("ABC 123456 78901234",),
    ),
    Pattern(
        PiiType.PASSPORT,
        r"\bP[A-Z<][A-Z]{3}[A-Z<]{39}",
        Strength.PROVEN,
        yes=("«P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<»",),
    ),
    Pattern(
        PiiType.PASSPORT,
        r"[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9]",
        Strength.PROVEN,
        check=_machine_readable,
        yes=("«L898902C36UTO7408122F1204159ZE184226B<<<<<10»",),
    ),
)
CUED: Final = (
    Cued(
        PiiType.PASSPORT,
        Cue.PASSPORT,
        expression(rf"(?:[^\n.!?;]{{0,12}}?){behind(_PASSPORT_TOKEN).pattern}", re.IGNORECASE),
        check=_passport,
        form=_PASSPORT_FORM,
        is_named_behind=True,
        yes=(
            "my passport, number «876184294», issued",
            "passport («Z92504528»)",
            "Passport «H7 916573» was",
            "Paspoortnummer «NRMEZ9GB8»\nPakket 1234",
            "Meine Ausweisnummer lautet «GTHYV2ZXL».",
            "Mon passeport porte le numero «15QY88394».",
            "Passport ........ «P 8718094»",
            "passport_no=«X4696617»",
            "<passport>«123456789»</passport>",
            "travels on «C61X4J399», which is her passport",
            "passport 12 345 6789".replace("12 345 6789", "«123 456 789»"),
        ),
        no=("my passport expired", "passport photos attached"),
    ),
    Cued(
        PiiType.VIN,
        Cue.VIN,
        behind(r"(?=(?:[ -]?[A-Z0-9]){17}(?![A-Z0-9]))[A-Z0-9]{1,17}(?:[ -][A-Z0-9]{1,16}){0,16}"),
        check=_vin_in_groups,
        yes=("VIN: «WVW ZZZ 1JZ XW 000001», please", "Chassis no ........ «WVWZZZ-1JZ-XW000001»"),
        no=("vin is 12",),
    ),
)
