"""Check digits and other arithmetic of identifiers. Arguments are digits and upper-case letters without separators."""

from __future__ import annotations

from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_ZERO: Final = ord("0")


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 (cards, Canadian SIN, IMEI)."""
    codes = digits.encode("ascii")[::-1]
    return (sum(codes[::2]) - _ZERO * len(codes[::2]) + sum(_DOUBLED[code - _ZERO] for code in codes[1::2])) % 10 == 0


def mod_97(iban: str) -> bool:
    """ISO 7064 MOD 97-10 of an IBAN (ISO 13616)."""
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1
