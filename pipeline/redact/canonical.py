"""When two written forms are one value: `JOHN SMITH` and `John  Smith`, `GB10 EGYV ...` and `GB10EGYV...`."""

from __future__ import annotations

from typing import Final

from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import ERASED, expression, fold

_TOKEN: Final = expression(r"[a-z0-9]+")
_LOWER: Final = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
_NO_ALNUM: Final = bytes(code for code in range(256) if not chr(code).isalnum() or code > 127)
_SUBSCRIBER_DIGITS: Final = 9
"""Phone numbers that agree in their last nine digits are one number, written with or without its country code."""


def squash(text: str) -> str:
    """Letters and digits only, without accents and case: what stays equal however a value is grouped or spelled."""
    return squash_shadow(fold(text))


def squash_shadow(shadow: str) -> str:
    """`squash` of a text whose shadow is known."""
    return shadow.encode("latin-1").translate(_LOWER, _NO_ALNUM).decode("ascii")


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, without accents and case."""
    return tokens_of_shadow(fold(text))


def tokens_of_shadow(shadow: str) -> list[str]:
    """`tokens` of a text whose shadow is known."""
    return _TOKEN.findall(shadow.replace(ERASED, "").lower())


def canonical(kind: PiiType, shadow: str) -> str:
    """The value behind a written form (given as its shadow); equal for all forms of one value of this type."""
    value = squash_shadow(shadow)
    match kind:
        case PiiType.PHONE:
            digits = "".join(filter(str.isdigit, value))
            return digits[-_SUBSCRIBER_DIGITS:] or value
        case PiiType.PERSON:
            return " ".join(tokens_of_shadow(shadow)) or shadow
        case PiiType.DATE_OF_BIRTH:
            return "-".join(token.lstrip("0") for token in tokens_of_shadow(shadow)) or shadow
        case PiiType.EMAIL | PiiType.URL_CREDENTIALS | PiiType.IP_ADDRESS:
            return "".join(shadow.replace(ERASED, "").lower().split()) or shadow
        case PiiType.API_KEY:
            return "".join(shadow.replace(ERASED, "").split()) or shadow
        case _:
            return value or shadow
