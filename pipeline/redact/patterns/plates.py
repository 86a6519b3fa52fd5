"""Number plates: the shapes of many countries, and whatever stands behind a word for plates."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import words
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.patterns.standing import digits, touching
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_GERMAN_DISTRICTS: Final = words("german_districts")
_SHAPES: Final = (
    # three groups and more
    r"[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4}"  # India
    r"|\d{2}[ -]?[A-Z]{1,3}[ -]?\d{2,4}"  # Turkey
    r"|\d{2,3}[ -]?[A-Z]{1,2}[ -]?\d{1,6}"  # Ireland
    r"|[A-Z]{2}[ -]?\d{3}[ -]?[A-Z]{2}|\d{2,4}[ -]?[A-Z]{2,3}[ -]?(?:\d{2,3}|2[AB])"  # France, Italy
    r"|[A-Z]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[ -]?[EH]?"  # Germany
    r"|\d[ -]?[A-Z]{3}[ -]?\d{3}"  # Belgium, California
    r"|[A-Z]{2}-\d{2}-\d{2}|\d{2}-\d{2}-[A-Z]{2}|\d{2}-[A-Z]{2}-\d{2}|[A-Z]{2}-\d{2}-[A-Z]{2}"  # Portugal
    r"|[A-Z]{2}-[A-Z]{2}-\d{2}|\d{2}-[A-Z]{2}-[A-Z]{2}|\d{2}-[A-Z]{3}-\d|\d-[A-Z]{3}-\d{2}|[A-Z]{2}-\d{3}-[A-Z]"
    r"|[A-Z]-\d{3}-[A-Z]{2}|[A-Z]{3}-\d{2}-[A-Z]|[A-Z]-\d{2}-[A-Z]{3}"  # Netherlands
    r"|[A-Z]{1,2}[ -]\d{2,3}[ -][A-Z]{2,3}|[A-Z]{1,2}[ -]?\d{3,4}[ -]?[A-Z]{2}"  # Balkans
    r"|[A-Z]{3}[ -]\d{2,3}[ -]?[A-Z0-9]{1,2}|[A-Z]{3} ?\d[A-Z]\d{2}|\d[A-Z]{2}[ -]?\d[A-Z]{2}"  # America
    r"|[A-Z]\d{3}[A-Z]{2} ?\d{2,3}|[A-Z]{1,2}[ -]\d{1,5} ?[A-Z]{1,3}"  # Russia, Austria
    # two
    r"|[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-Z]"  # United Kingdom
    r"|[A-Z]{3,4}[ -]?\d{3,4}|\d{3,4}[ -]?[A-Z]{3}"  # Sweden, Spain, America
    r"|[A-Z]{2}[ -]?\d{3} ?\d{2,3}|[A-Z]{2}[ -]\d{5,6}"  # Switzerland, Norway, Denmark
    r"|[A-Z]{2,3} \d[A-Z0-9]{3,4}|\d[A-Z]{2}[ -]?\d{4}|\d[A-Z]\d ?\d{4}|[A-Z]{3}\d{2}[A-Z]"  # Poland, Czechia
)
_ANY: Final = r"(?-i:[A-Z0-9]{1,8}(?:(?:[ ./-]| - )[A-Z0-9]{1,8}){0,3})"
_FORM: Final = expression(rf"(?<![A-Za-z0-9])(?:(?:{_SHAPES})|{_ANY})(?![A-Za-z0-9])")
_NO_LETTERS: Final = words("beside_numbers")
"""Groups of letters beside numbers that make a sum, a measure or a model."""
_SHORTEST, _LONGEST, _MOST_DIGITS = 3, 10, 9
_BESIDE_SHORTEST: Final = 5
"""Beside a word for vehicles only; shorter ones are models."""


def _alone(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A form that little else has; behind a word for orders it is one."""
    if touching(context, start, end) or context.named(Cue.OTHER_NUMBER, start):
        return None
    return start, end


def _near_its_word(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A form that product codes share: in a sentence about plates."""
    return (start, end) if context.after(Cue.PLATE, start, reach=60) and not touching(context, start, end) else None


def _german(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = context.text[start:end]
    district = re.split(r"[ -]", value, maxsplit=1)[0].upper()
    if touching(context, start, end):
        return None
    if context.after(Cue.PLATE, start, reach=40):
        return start, end
    if district not in _GERMAN_DISTRICTS or "-" not in value or context.named(Cue.OTHER_NUMBER, start):
        return None
    return start, end


def _plate(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Letters and digits of a plate's length, behind a word for plates."""
    value = context.text[start:end]
    size = sum(char.isalnum() for char in value)
    if not _SHORTEST <= size <= _LONGEST or not 1 <= digits(value) <= _MOST_DIGITS or touching(context, start, end):
        return None
    if digits(value) == size and not (value.isdigit() and size >= _BESIDE_SHORTEST):
        return None
    if value.islower() and _WORD_AND_NUMBER.fullmatch(value) is not None:
        return None
    return None if _MONEY.search(value) or _DATE.fullmatch(value) else (start, end)


_DATE: Final = expression(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}-\d\d-\d\d")
_GROUP: Final = expression(r"[A-Z]+")
_WORD_AND_NUMBER: Final = expression(r"[a-z]{2,} \d+|\d{1,3} [a-z]+")


_MONEY: Final = expression(r"\b(?:EUR|USD|GBP|CHF)\b")


def _behind_a_model(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Behind make and model, and a comma: letters and digits both."""
    letters = sum(char.isalpha() for char in context.text[start:end])
    return _plate(context, start, end) if letters > 1 else None


def _measures(value: str) -> bool:
    return any(group in _NO_LETTERS for group in _GROUP.findall(value))


def _beside(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A shape of some country beside a word for vehicles."""
    value = context.text[start:end]
    if sum(char.isalnum() for char in value) < _BESIDE_SHORTEST or digits(value) < 2 or _measures(value):
        return None
    if context.named(Cue.OTHER_NUMBER, start) or context.named(Cue.POLICY, start) or context.named(Cue.CLAIM, start):
        return None
    return _plate(context, start, end)


PATTERNS: Final = (
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-HJ-NP-TV-Z]{2}-\d{3}-[A-HJ-NP-TV-Z]{2}\b|\b[A-HJ-NP-TV-Z]{2} \d{3} [A-HJ-NP-TV-Z]{2}\b",
        Strength.SHAPE,
        check=_alone,
        yes=("la voiture «AB-123-CD» et", "«AB 123 CD»"),
        no=("AB-123-CD-4", "order AB-123-CD"),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b(?:A[BLV]?|B[AIU]?|C[ACEORSU]?|G[CEIRU]|HU?|IB|J|L[EOU]?|M[ALU]?|NA|O[RU]?|P[MO]?|S[AEGOS]?|T[EFO]?"
        r"|V[AIR]?"
        r"|ZA?)-\d{4}-[A-Z]{1,2}\b",  # Spain until 2000
        Strength.SHAPE,
        check=_near_its_word,
        yes=("La matrícula del otro coche es «M-4736-LX».",),
        no=("the car model M-4736-LX",),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-7]\d) ?[A-HJ-PR-Z]{3}\b",
        Strength.SHAPE,
        check=_alone,
        yes=("my car «AB12 CDE» was", "«WR15ABC»"),
        no=("order AB12CDE", "AB12-CDE"),
    ),
    Pattern(
        PiiType.LICENSE_PLATE,
        r"\b[A-Z]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[EH]?\b",
        Strength.SHAPE,
        check=_german,
        yes=("Wagen «B-AB 1234» stand", "Kennzeichen «M X 12»", "«HH-Z 8451»"),
        no=("USB-C 30", "AB C 123", "Typ XQ-Z 12"),
    ),
)
CUED: Final = (
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.PLATE,
        expression(rf"(?:[^\n.!?;0-9]{{0,12}}?){behind(rf'{_SHAPES}|{_ANY}').pattern}", re.IGNORECASE),
        check=_plate,
        form=_FORM,
        is_named_behind=True,
        yes=(
            "van had the plate «680-GBX», he",
            "registration «4CSJ844»",
            "Kennzeichen «F G 2406»",
            "matricula «1234 bcd»",
            "targa «ab 123 cd»",
            "kenteken «12-abc-3»",
            "plaque «1-abc-234»",
            "registration «sr06 uyo», clipped",
            "The reg is «MH 12 AB 1234».",
            "Placa: «GDS1C25»",
            "Kz. «ZH 196500»;",
            "Vehicle reg ........... «1XG 3IS»",
            "plates: B IP 2342 (Germany), «LX373JJ» (France), 1098-TJC (Spain)",
            "plates: B IP 2342 (Germany), LX373JJ (France) and «1098-TJC»",
            "Placa: «DA-73-ZQ»",
            "vehicle registration «CA-7ABC123»",
            "lic# «8XYZ123»",
            "Immatriculation : «679 GHJ 13»",
            "registration «191-D-04258», clipped",
            'plate="«DL7CUQ8461»"',
            "Kenteken «O-048-RW».",
            "The plate's registration?\nAgent: «231 G 9851»",
            "«AB12 CDE» is the registration",
            '"licensePlate": "«7ABC123»"',
            "<plate>«231-D-4574»</plate>",
        ),
        no=(
            "the plate was broken",
            "registration of cars",
            "1234 BCD",
            "plate is broken",
            "registration fee 614 EUR",
            "flight LH1234 to the registration desk",
        ),
    ),
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.VEHICLE,
        expression(
            r"[ :,(]{1,3}[A-Z][A-Za-z]{1,12}(?: [A-Za-z0-9.-]{1,10}){0,4}, "
            r"(?P<value>(?!(?:BMW|VW|MG|KIA|GMC|RAM) )[A-Z0-9]{1,4}[ -]?[A-Z0-9]{2,5})(?=[,.;)\n]|\Z)"
        ),
        check=_behind_a_model,
        yes=("Vehicle: Ford Focus 1.6, «OS7 32Z», then", "the car, VW Golf, «TI 48210»."),
        no=("vehicle: Ford Focus 1.6, BLACK",),
    ),
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.VEHICLE,
        expression(
            r"[ (]{1,2}(?P<value>[A-Z]\d{1,3} ?[A-Z]{3}|[A-Z]\d{2} \d[A-Z]{2}"
            r"|[A-Z]{3} ?\d{1,3}[A-Z])(?=[,.;)\n])"
        ),
        check=_plate,
        yes=("the car («H7 GST») is", "TP veh «KUA 44F», TP name"),
        no=("the car (BMW X5) is",),
    ),
    Cued(
        PiiType.LICENSE_PLATE,
        Cue.VEHICLE,
        expression(rf"(?=[^\n.!?;:]{{1,32}}\d)(?i:[^\n.!?;:0-9]{{0,24}}?)[ (,:\"](?P<value>{_SHAPES})(?![A-Za-z0-9])"),
        check=_beside,
        form=_FORM,
        yes=(
            "Mr. Roe's vehicle («450-LME») was",
            "the red van «231 G 6530» hit",
            "I saw the red Corsa «IFV 4084» hit",
            "my car, a grey Ford Focus, «ABC-1234», was",
        ),
        no=("450-LME", "the car was 12 km away", "order 231 G 6530", "vehicle was sold", "my car cost 614 EUR"),
    ),
)
