"""Exact amounts out of literal text: `EUR 2,300.00`, `1.234,56 €`, `CHF 1'200.-`. Never a float, never a guess.

What could be read in two ways is not read: `Canadian dollars` are CAD and `500 pesos` nothing, `1,234.567` and
`12 34 EUR` are no amounts, and a bare `$` is the one convention (USD, where no letter or code says which dollar).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_CODES: Final = frozenset((
    "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR",
    "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD", "ZAR",
))  # fmt: skip
_SIGNS: Final[Mapping[str, str]] = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "R$": "BRL", "US$": "USD", "A$": "AUD", "AU$": "AUD",
    "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "$": "USD",
}  # fmt: skip
_WORDS: Final[Mapping[str, str]] = {
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "bucks": "USD", "pound": "GBP", "pounds": "GBP",
    "quid": "GBP", "franken": "CHF", "francs": "CHF", "rupees": "INR", "reais": "BRL", "kronor": "SEK", "zloty": "PLN",
    "złoty": "PLN", "us dollars": "USD", "american dollars": "USD", "canadian dollars": "CAD", "pounds sterling": "GBP",
    "australian dollars": "AUD", "singapore dollars": "SGD", "hong kong dollars": "HKD", "new zealand dollars": "NZD",
    "british pounds": "GBP", "swiss francs": "CHF", "swedish kronor": "SEK", "indian rupees": "INR",
    "norwegian kroner": "NOK", "danish kroner": "DKK", "turkish lira": "TRY", "japanese yen": "JPY", "yen": "JPY",
    "cdn": "CAD",
}  # fmt: skip
_SPACE: Final = " \u00a0\u202f"
_NUMBER: Final = re.compile(rf"\d(?:[\d.,'’{_SPACE}]*\d)?")
_STARTS: Final = r"(?<![\w.,'’+-])"
_ENDS: Final = rf"(?![\w%])(?![.,'’{_SPACE}]\d)"
_MULTIPLIED: Final = re.compile(
    r"[\s-]*(?:k|m|mm|mn|mio|mln|mrd|bn|b|tsd|mil|mille|mila|lakhs?|crores?|hundred|thousands?|millions?|billions?|dozen"
    r"|tausend|millionen|milliarden|millones)\b",
    re.IGNORECASE,
)
"""What makes a number stand for a larger one: `5k`, `1.2 million`."""
_BEFORE: Final = re.compile(
    rf"(?:(?<![^\W\d_])({'|'.join(sorted(_CODES))})|(?<![^\W\d_])((?:[A-Z]{{1,2}})?\$)|([€£¥₹]))[^\w€£¥₹$+−–-]{{0,3}}$"
)
_AFTER: Final = re.compile(
    rf"(?:[.,]?[-–—]+)?[{_SPACE}]*(?:\$?[{_SPACE}]?({'|'.join(sorted(_CODES))})(?![^\W\d_])|((?:[A-Z]{{1,2}})?\$|[€£¥₹]|zł)"
    rf"|([^\W\d_]+(?:[{_SPACE}]+[^\W\d_]+){{0,2}}))?"
)
_NEGATIVE: Final = re.compile(r"[-−–][^\w\s]?\s*$")
_MOST_DIGITS: Final = 15
"""Digits before the point: an amount that no schema here has room for is no amount."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount and its ISO 4217 currency."""

    value: Decimal
    currency: str


def parse(quote: str) -> Money | None:
    """The one amount in `quote`, or None when there is none, more than one, no currency, or more than one reading."""
    numbers = list(_NUMBER.finditer(quote))
    if len(numbers) != 1:
        return None
    before, after = quote[: numbers[0].start()], quote[numbers[0].end() :]
    if _MULTIPLIED.match(after):
        return None
    sign, currency = _currency(before, after)
    if currency is None or _NEGATIVE.search(sign):
        return None
    value = _value(numbers[0].group())
    return None if value is None else Money(value, currency)


def quoted(quote: str, text: str) -> Money | None:
    """The amount in `quote`, if `quote` stands in `text` as a whole: `EUR 2` is not what `EUR 2,300.00` says.

    White space may differ. Nothing that belongs to the number may go on before or behind it: digits, signs, `5k`.
    """
    words = quote.split()
    if not words:
        return None
    whole = re.compile(_STARTS + r"\s+".join(map(re.escape, words)) + _ENDS)
    for match in whole.finditer(text):
        if not _MULTIPLIED.match(text[match.end() : match.end() + 12]):
            return parse(quote)
    return None


def _currency(before: str, after: str) -> tuple[str, str | None]:
    """What stands before number and currency, and the currency: at least one beside the number, none that differs."""
    found: list[str | None] = []
    dollar = False
    if left := _BEFORE.search(before):
        found.append(left[1] or _SIGNS.get(left[2] or left[3]))
        dollar = left[2] == "$"
        before = before[: left.start()]
    right = _AFTER.match(after)
    if right and (right[1] or right[2]):
        found.append(right[1] or _SIGNS.get(right[2]))
        # "$ 20 CAD": the code says which dollar.
        if dollar and right[1] and right[1].endswith("D"):
            found = found[1:]
    elif right and right[3] and (word := _word(right[3])):
        found.append(word)
    return before, found[0] if found and len(set(found)) == 1 else None


def _word(words: str) -> str | None:
    """The currency that one to three words begin with, the longest name first."""
    parts = words.lower().split()
    names = (" ".join(parts[:size]) for size in range(len(parts), 0, -1))
    return next((_WORDS[name] for name in names if name in _WORDS), None)


def _value(digits: str) -> Decimal | None:
    """The number: the last of `.` and `,` is the decimal point when one or two digits follow it, else it groups."""
    whole, mark, tail = digits, "", ""
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0 and len(digits) - last - 1 <= 2:
        whole, mark, tail = digits[:last], digits[last], digits[last + 1 :]
    groups = re.split(rf"[.,'’{_SPACE}]", whole)
    marks = {" " if found in _SPACE else found for found in re.findall(rf"[.,'’{_SPACE}]", whole)}
    if len(marks) > 1 or mark in marks or not _grouped(groups) or (mark and not tail.isdecimal()):
        return None
    plain = "".join(groups)
    if len(plain) > _MOST_DIGITS:
        return None
    return Decimal(f"{plain}.{tail}" if tail else plain)


def _grouped(groups: list[str]) -> bool:
    """Whether these are one number: groups of three, or in India's way of two and a last one of three."""
    first, rest = groups[0], groups[1:]
    if not rest:
        return True
    if first.startswith("0") or not 1 <= len(first) <= 3 or len(rest[-1]) != 3:
        return False
    sizes = {len(group) for group in rest[:-1]}
    return sizes <= {3} or (sizes == {2} and len(first) <= 2)
