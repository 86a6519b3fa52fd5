"""Passports, number plates and vehicle identification numbers."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact import checksums
from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import words
from pipeline.redact.patterns.pattern import LEADER, Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_LINK: Final = (
    r"[^\n.!?;]{0,12}?(?:[ \t,]{0,2}\(?(?:\b(?:number|no|nr|num|nummer|numero|numer|n|is|are|est|ist|es|e|lautet"
    r"|le|the|my|mit"
    r"|der|with|has|porte|de|del|do|da|reads|was|amtliches?|plate)\b[.:o]{0,2}|[:#=(\"]|-?nr\.?)"
    rf"|{LEADER}){{0,6}}\s{{0,3}}[\"'(]?"
)
_PASSPORT_TOKEN: Final = re.compile(
    r"[A-Z]{0,3} ?\d{6,9}[A-Z]?|[A-Z0-9]{6,10}|\d{2} ?[A-Z]{2} ?\d{5}|\d{3} \d{3} \d{3}", re.IGNORECASE
)
_GERMAN_DOCUMENT: Final = re.compile(r"[CFGHJKLMNPRTVWXYZ]{9,10}")
"""German document numbers use no vowels and may have no digit."""

_MAKERS: Final = words("vehicle_makers")

_GERMAN_DISTRICTS: Final = words("german_districts")


def _digits(value: str) -> int:
    return sum(char.isdigit() for char in value)


def _touching(context: Context, start: int, end: int) -> bool:
    """Part of a longer number or word."""
    before, behind = context.before(start), context.behind(end)
    if before.isalnum() or before in "-/._#" or behind.isalnum() or behind in "_/":
        return True
    return behind in "-." and context.text[end + 1 : end + 2].isalnum()


def _vin(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = context.text[start:end].upper()
    if _touching(context, start, end) or not 4 <= _digits(value) < 17:
        return None
    if checksums.vin(value) or value[:3] in _MAKERS or context.after(Cue.VIN, start, reach=60):
        return start, end
    return None


def _passport(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = context.text[start:end]
    if _touching(context, start, end) or (value.islower() and _digits(value) < 5):
        return None
    return (start, end) if _digits(value) or _GERMAN_DOCUMENT.fullmatch(value) else None


def _plate_alone(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A form that little else has; behind a word for orders it is one."""
    if _touching(context, start, end) or context.named(Cue.OTHER_NUMBER, start):
        return None
    return start, end


def _plate_german(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = context.text[start:end]
    district = re.split(r"[ -]", value, maxsplit=1)[0].upper()
    if _touching(context, start, end):
        return None
    if context.after(Cue.PLATE, start, reach=40):
        return start, end
    if district not in _GERMAN_DISTRICTS or "-" not in value or context.named(Cue.OTHER_NUMBER, start):
        return None
    return start, end


def _plate_beside(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A form of some country, near a word for plates or right behind one for vehicles."""
    value = context.text[start:end]
    if not _digits(value) or _touching(context, start, end) or context.named(Cue.OTHER_NUMBER, start):
        return None
    if _CURRENCY.search(value) or (value != value.upper() and not context.named(Cue.PLATE, start)):
        return None
    if context.after(Cue.PLATE, start, reach=160) or context.last(Cue.VEHICLE, start, _BESIDE) >= 0:
        return start, end
    return (start, end) if context.before_cue(Cue.PLATE, end) else None


def _plate(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Anything in capitals and digits of a plate's length, behind a word for plates."""
    value = context.text[start:end]
    size = sum(char.isalnum() for char in value)
    if not 3 <= size <= 9 or not 1 <= _digits(value) <= 7 or _touching(context, start, end):
        return None
    return start, end


_BESIDE: Final = 14
_CURRENCY: Final = re.compile(r"EUR|USD|GBP|CHF|PLN|CAD|AUD|BRL|SEK|NOK|DKK|INR|CZK|HUF|RON|TRY|JPY|MXN")
PATTERNS: Final = (
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b(?:[a-z]{2}\d{2} ?[a-z]{3}|\d{2,3}-?[A-Z]{3}|[A-Z]{3}[ -]?\d{3,4}|[A-Z]{4} ?\d{3}|[A-Z]{3} ?\d{3}[A-Z]"
        r"|\d{3} ?[A-Z]{3}"  # America, UK
        r"|\d{2,3}[ -][A-Z]{1,2}[ -]\d{1,6}|\d{4}[ -]?[A-Z]{3}|[A-Z]{2}[ -]?\d{3}[ -]?[A-Z]{2}"  # IE, ES, IT, FR
        r"|\d{2}-[A-Z]{2,3}-\d{1,2}|[A-Z]-\d{3}-[A-Z]{2}|\d{1,2}-[A-Z]{3}-\d{1,3}|[A-Z]{2}-\d{2,3}-[A-Z]{1,2}"  # NL, BE
        r"|\d{3,4} [A-Z]{2,3} \d{2}|[A-Z]{2}[ -]?\d{3} ?\d{2,3}|[A-Z]{1,2}-\d{3,5} ?[A-Z]{1,2}"  # FR, CH, AT
        r"|\d{2}-\d{2}-[A-Z]{2}|[A-Z]{2}-\d{2}-[A-Z]{2}|\d{2}-[A-Z]{2}-\d{2}|[A-Z]{3} ?\d[A-Z]\d{2}"  # PT, BR
        r"|\d[A-Z]{3}\d{3}|[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]{2} ?\d{1,2} ?[A-Z]{1,3} ?\d{4}|[A-Z]{2}-\d{5}"  # US, UK, IN
        r"|[A-Z]{1,3}[ -][A-Z]{1,2} ?\d{1,4}[EH]?|[A-Z]{2,3} ?\d[A-Z0-9]{3,4}"
        r"|\d{2} ?[A-Z]{1,3} ?\d{2,4})\b",  # DE, PL, TR
        Strength.SHAPE,
        check=_plate_beside,
        yes=(
            "plates of our cars: «1098-TJC» (Spain)",
            "Mr. Roe's vehicle («450-LME») was",
            "the red van «231 G 6530» hit",
            "Placa: «GDS1C25»",
            "Kz. «ZH 196500»;",
            "registration «sr06 uyo», clipped",
        ),
        no=("450-LME", "the car was 12 km away", "order 231 G 6530", "vehicle was sold"),
    ),
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
        PiiType.PASSPORT,
        r"\bP[A-Z<][A-Z]{3}[A-Z<]{39}",
        Strength.PROVEN,
        yes=("«P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<»",),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-HJ-NP-TV-Z]{2}-\d{3}-[A-HJ-NP-TV-Z]{2}\b|\b[A-HJ-NP-TV-Z]{2} \d{3} [A-HJ-NP-TV-Z]{2}\b",
        Strength.SHAPE,
        check=_plate_alone,
        yes=("la voiture «AB-123-CD» et", "«AB 123 CD»"),
        no=("AB-123-CD-4", "order AB-123-CD"),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-7]\d) ?[A-HJ-PR-Z]{3}\b",
        Strength.SHAPE,
        check=_plate_alone,
        yes=("my car «AB12 CDE» was", "«WR15ABC»"),
        no=("order AB12CDE", "AB12-CDE"),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-Z]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[EH]?\b",
        Strength.SHAPE,
        check=_plate_german,
        yes=("Wagen «B-AB 1234» stand", "Kennzeichen «M X 12»", "«HH-Z 8451»"),
        no=("USB-C 30", "AB C 123", "Typ XQ-Z 12"),
    ),
)
CUED: Final = (
    Cued(
        PiiType.PASSPORT,
        Cue.PASSPORT,
        re.compile(rf"{_LINK}(?P<value>{_PASSPORT_TOKEN.pattern})\b", re.IGNORECASE),
        check=_passport,
        yes=(
            "my passport, number «876184294», issued",
            "passport («Z92504528»)",
            "Meine Ausweisnummer lautet «GTHYV2ZXL».",
            "Mon passeport porte le numero «15QY88394».",
        ),
        no=("my passport expired", "passport photos attached"),
    ),
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.PLATE,
        re.compile(rf"{_LINK}(?P<value>(?-i:[A-Z0-9]{{1,8}}(?:[ -][A-Z0-9]{{1,5}}){{0,3}}))\b", re.IGNORECASE),
        check=_plate,
        yes=("van had the plate «680-GBX», he", "registration «4CSJ844»", "Kennzeichen «F G 2406»"),
        no=("the plate was broken", "registration of cars"),
    ),
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.PLATE,
        re.compile(
            rf"{_LINK}(?P<value>\d{{4}}[ -]?[BCDFGHJKLMNPRSTVWXYZ]{{3}}|[A-Z]{{2}} ?\d{{3}} ?[A-Z]{{2}}"
            rf"|\d-[A-Z]{{3}}-\d{{3}}"
            r"|[A-Z]{1,3}[ -]?[A-Z]{0,2}[ -]?\d{1,6}[A-Z]?|[A-Z]{2}\d{2} ?[A-Z]{3}"
            r"|[A-Z0-9]{2,3}-[A-Z0-9]{2,3}-[A-Z0-9]{1,2})\b",
            re.IGNORECASE,
        ),
        check=_plate,
        yes=("matricula «1234 bcd»", "targa «ab 123 cd»", "kenteken «12-abc-3»", "plaque «1-abc-234»"),
        no=("1234 BCD", "plate is broken"),
    ),
)
