"""Exact amounts out of literal text: `EUR 2,300.00`, `1.234,56 €`, `CHF 1'200.-`. Never a float, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "R$": "BRL", "$": "USD", "US$": "USD"}
_WORDS = {
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "bucks": "USD", "pound": "GBP", "pounds": "GBP",
    "quid": "GBP", "franken": "CHF", "francs": "CHF", "rupees": "INR", "reais": "BRL", "kronor": "SEK", "zloty": "PLN",
}  # fmt: skip
_CODES = frozenset((
    "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR",
    "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD", "ZAR",
))  # fmt: skip
_MULTIPLIED = re.compile(r"\d\s*(k|m|mn|mio|bn|tsd|thousand|hundred|million|billion|tausend|mille)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d[\d.,'’ \u00a0\u202f]{0,24}")


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount and its ISO 4217 currency."""

    value: Decimal
    currency: str


def parse(quote: str) -> Money | None:
    """The one amount in `quote`, or None when there is none, more than one, no currency, or more than one reading."""
    currency = _currency(quote)
    numbers = _NUMBER.findall(quote)
    if currency is None or len(numbers) != 1 or _MULTIPLIED.search(quote):
        return None
    value = _value(numbers[0].strip(" .,'’\u00a0\u202f"))
    return None if value is None else Money(value, currency)


def _currency(quote: str) -> str | None:
    found = {word for word in re.findall(r"[A-Z]{3}", quote) if word in _CODES}
    found |= {_WORDS[word] for word in re.findall(r"[a-z]+", quote.lower()) if word in _WORDS}
    for sign in sorted(_SIGNS, key=len, reverse=True):
        if sign in quote:
            # "$ 20 CAD": the code says which dollar
            if not (found and sign == "$"):
                found.add(_SIGNS[sign])
            break
    return found.pop() if len(found) == 1 else None


def _value(digits: str) -> Decimal | None:
    """The number: the last of `.` and `,` is the decimal point when one or two digits follow it, else it groups."""
    text = re.sub(r"['’ \u00a0\u202f]", "", digits)
    marks = [mark for mark in text if mark in ".,"]
    if not marks:
        return Decimal(text)
    whole, _, tail = text.rpartition(marks[-1])
    if len(set(marks)) == 1 and len(marks) > 1:
        grouped = text.split(marks[0])
        return Decimal("".join(grouped)) if all(len(part) == 3 for part in grouped[1:]) else None
    if len(tail) == 3 and len(marks) == 1:
        # 1,234 and 1.234: a group of three; a price has no third decimal
        return Decimal(whole + tail) if 1 <= len(whole) <= 3 and whole != "0" else None
    if not 1 <= len(tail) <= 2:
        return None
    groups = re.split(r"[.,]", whole)
    if len(groups) > 1 and not all(len(part) == 3 for part in groups[1:]):
        return None
    return Decimal("".join(groups) + "." + tail)
