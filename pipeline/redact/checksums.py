"""Check digits and other arithmetic of identifiers. Arguments are digits and upper-case letters without separators."""

from __future__ import annotations

from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_ZERO: Final = ord("0")
_VIN_VALUES: Final = {
    **{digit: int(digit) for digit in "0123456789"},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_CHECK_PLACE: Final = 8


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: payment cards."""
    codes = digits.encode("ascii")[::-1]
    return (sum(codes[::2]) - _ZERO * len(codes[::2]) + sum(_DOUBLED[code - _ZERO] for code in codes[1::2])) % 10 == 0


def mod_97(iban: str) -> bool:
    """ISO 7064 MOD 97-10 of an IBAN (ISO 13616)."""
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1


def vin(value: str) -> bool:
    """Check digit of a vehicle identification number (49 CFR 565.15): North America and China; others leave it out."""
    remainder = sum(_VIN_VALUES[char] * weight for char, weight in zip(value, _VIN_WEIGHTS, strict=True)) % 11
    return value[_VIN_CHECK_PLACE] == ("X" if remainder == 10 else str(remainder))


_NORWEGIAN_WEIGHTS: Final = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))


def turkish(digits: str) -> bool:
    """Check digits of a Turkish identity number (11 digits)."""
    numbers = [ord(char) - _ZERO for char in digits]
    tenth = (sum(numbers[0:9:2]) * 7 - sum(numbers[1:8:2])) % 10
    return numbers[9] == tenth and numbers[10] == sum(numbers[:10]) % 10


def belgian(digits: str) -> bool:
    """Check digits of a Belgian national number (11 digits), for births before and since 2000."""
    number, check = int(digits[:9]), int(digits[9:])
    return check in (97 - number % 97, 97 - (2_000_000_000 + number) % 97)


def french(value: str) -> bool:
    """Control key of a French social security number (13 characters and 2 digits; Corsica is 2A and 2B)."""
    number = value[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(value[13:])


def norwegian(digits: str) -> bool:
    """Check digits of a Norwegian birth number (11 digits)."""
    numbers = [ord(char) - _ZERO for char in digits]
    return all(
        sum(number * weight for number, weight in zip(numbers, weights, strict=True)) % 11 == 0
        for weights in _NORWEGIAN_WEIGHTS
    )
