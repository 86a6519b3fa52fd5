"""Payment cards and bank accounts."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.checksums import luhn, mod_97
from pipeline.redact.patterns.pattern import Context, Pattern, Strength
from pipeline.redact.pii import PiiType

_SEPARATORS: Final = re.compile(r"[^0-9A-Za-z]+")


def _card(context: Context, start: int, end: int) -> tuple[int, int] | None:
    digits = _SEPARATORS.sub("", context.text[start:end])
    if context.before(start) in "-." or not luhn(digits) or len(set(digits)) < 2:
        return None
    return start, end


def _iban(context: Context, start: int, end: int) -> tuple[int, int] | None:
    value = _SEPARATORS.sub("", context.text[start:end]).upper()
    return (start, end) if 15 <= len(value) <= 34 and mod_97(value) else None


PATTERNS: Final = (
    Pattern(
        PiiType.CREDIT_CARD,
        r"\b(?:\d{4}[ -]?){3}\d{4}\b|\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b",
        Strength.PROVEN,
        check=_card,
        yes=("card <<4111 1111 1111 1111>>.", "<<378282246310005>>"),
        no=("card 4111 1111 1111 1112",),
    ),
    Pattern(
        PiiType.IBAN,
        r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b",
        Strength.PROVEN,
        check=_iban,
        caseless=True,
        yes=("IBAN <<DE89 3704 0044 0532 0130 00>>, thanks",),
        no=("DE89 3704 0044 0532 0130 01",),
    ),
)
