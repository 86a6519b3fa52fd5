"""Payment cards and bank accounts."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.checksums import luhn, mod_97
from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import words
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_CARD: Final = expression(r"\d(?:[ ./-]{0,3}\d){11,18}(?!\d)")
_NOT_DIGITS: Final = expression(r"\D+")
_SPACED_REACH: Final = 40
_SPACED_BEFORE: Final = expression(rf"(?:[0-9] ){{{_SPACED_REACH // 2}}}")
"""Single digits, more than a card has: no card begins in the middle of them."""
_DIGIT_GROUP: Final = expression(r"\d+")
_ISSUER: Final = expression(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]|2[2-7])\d{14}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"  # Discover
    r"|62\d{14,17}|81\d{14,17}"  # UnionPay
    r"|(?:5[06789]|6[0-9])\d{10,17}"  # Maestro, RuPay, Elo
    r"|220[0-4]\d{12,15}|9792\d{12}\Z"  # Mir, Troy
)
_IBAN_LENGTHS: Final = {word[:2]: int(word[2:]) for word in words("iban_lengths")}
_COUNTRIES: Final = f"(?i:{'|'.join(_IBAN_LENGTHS)})|(?:{'|'.join(_IBAN_LENGTHS)}) "
_IBAN: Final = expression(r"[A-Z]{2} ?[0-9OIl]{2}(?:(?:[ .-]?|  | - )[A-Z0-9]){11,30}", re.IGNORECASE)
_LIKE_DIGITS: Final = str.maketrans("OoIl", "0011")
_SHORTEST_CARD: Final = 13
_SHORTEST_IBAN: Final = 15
_FEWEST_DIGITS: Final = 8
"""Digits in an IBAN: fewer are words that begin with a country's code."""


def _card(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    text = context.text
    before = context.before(start)
    if before.isalnum() or before in "-.#_" or _SPACED_BEFORE.match(text, max(0, start - _SPACED_REACH), start):
        return None
    match = _CARD.match(text, start)
    if match is None:
        return None
    groups = _DIGIT_GROUP.findall(match[0])
    digits, end = "".join(groups), match.end()
    size = len(digits)
    announced: bool | None = None
    for group in reversed(groups):
        if size < _SHORTEST_CARD:
            return None
        if _ends_there(text, end) and _ISSUER.fullmatch(digits, 0, size) and digits[:size].strip(digits[0]):
            if announced is None:
                announced = context.after(Cue.CARD, start, reach=60)
                if not announced and context.named(Cue.OTHER_NUMBER, start):
                    return None
            if luhn(digits[:size]) or (announced and size in (15, 16)):
                return start, end
        size -= len(group)
        end = text.rfind(digits[size - 1], start, end - len(group)) + 1
    return None


def _ends_there(text: str, end: int) -> bool:
    """No letter goes on behind, and nothing behind a hyphen."""
    behind = text[end : end + 1]
    return not behind.isalnum() and not (behind == "-" and text[end + 1 : end + 2].isalnum())


def _iban(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    text = context.text
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    match = _IBAN.match(text, start)
    if length is None or match is None or context.before(start).isalnum() or context.before(start) in "-_/":
        return None
    places = [place for place in range(start, match.end()) if text[place].isalnum()]
    for size in dict.fromkeys((length, len(places))):
        if not _SHORTEST_IBAN <= size <= len(places):
            continue
        end = places[size - 1] + 1
        raw = "".join(text[place] for place in places[:size])
        value = raw.upper()
        said = size == length and context.after(Cue.IBAN, start, reach=30)
        if sum(map(str.isdigit, value)) < _FEWEST_DIGITS:
            continue
        if not text[end : end + 1].isalnum() and (said or mod_97(value) or _with_letters_for_digits(raw)):
            return start, end
    return None


def _with_letters_for_digits(raw: str) -> bool:
    """True when some letters are read as the digits they look like; a bank's code may be letters."""
    read = raw[2:].translate(_LIKE_DIGITS)
    bank = slice(2, 6)
    return any(mod_97((raw[:2] + made).upper()) for made in (read, read[:2] + raw[2:][bank] + read[6:]))


def _account(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A national account number behind its word: digits and few separators."""
    digits = len(_NOT_DIGITS.sub("", context.text[start:end]))
    return (start, end) if 6 <= digits <= 18 else None


PATTERNS: Final = (
    Pattern(
        PiiType.CREDIT_CARD,
        r"\b[2-69](?:[ ./-]{0,3}\d){12}",
        Strength.PROVEN,
        check=_card,
        by_start=True,
        yes=(
            "card «4111 1111 1111 1111».",
            "«378282246310005»",
            "«5555-5555-5555-4444»,",
            "«5555 - 5555 - 5555 - 4444» keeps",
            "«4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1» end",
            "my card number is «4111 1111 1111 1112»",
        ),
        no=("4111 1111 1111 1112", "order 4111111111111111", "transaction reference 8028035632995571"),
    ),
    Pattern(
        PiiType.IBAN,
        rf"\b(?:{_COUNTRIES})(?:[0-9]{{2}}|[0-9][OIl]|[OIl][0-9]|[OIl]{{2}}\b|[OI]{{2}})"
        r"[ .-]{0,2}[A-Za-z0-9](?:[ .-]?[A-Za-z0-9]){3}[ .-]{0,2}[A-Za-z0-9]",
        Strength.PROVEN,
        check=_iban,
        by_start=True,
        yes=(
            "IBAN «DE89 3704 0044 0532 0130 00», thanks",
            "«gb82west12345698765432»",
            "to «GB 82 WEST 1234 5698 7654 32» please",
            "«NO93 8601 1117 947» and",
            "«GB82 WEST I234 5698 7654 32» and",
        ),
        no=("DE89 3704 0044 0532 0130 01", "AB12 3456 7890 1234", "is 40 requests per second"),
    ),
)
CUED: Final = (
    Cued(
        PiiType.IBAN,
        Cue.ACCOUNT,
        expression(
            r"[ \t]{0,2}(?:\b(?:number|no|nr|num|is|ist|est|es|lautet)\b[.:]?[ \t]{0,2}|[:#][ \t]{0,2}){1,3}"
            r"(?P<value>\d{2,17}(?:[ -]\d{1,10}){0,5})\b",
            re.IGNORECASE,
        ),
        check=_account,
        yes=("bank account number: «12345678»", "Kontonummer: «532013000»"),
        no=("account is 30 days old",),
    ),
)
