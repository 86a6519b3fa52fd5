"""Exact amounts: read as they stand, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.money import Money, parse


@pytest.mark.parametrize(
    ("quote", "value", "currency"),
    [
        ("EUR 2,300.00", "2300.00", "EUR"),
        ("about EUR 2,300.00 for the floor", "2300.00", "EUR"),
        ("1.234,56 €", "1234.56", "EUR"),
        ("1.234.567,89 EUR", "1234567.89", "EUR"),
        ("1 234,50 EUR", "1234.50", "EUR"),
        ("1\u202f234,50\u00a0€", "1234.50", "EUR"),
        ("CHF 1'200.-", "1200", "CHF"),
        ("1’234’567.80 CHF", "1234567.80", "CHF"),
        ("500,- €", "500", "EUR"),
        ("500.– CHF", "500", "CHF"),
        ("₹1,23,456.50", "123456.50", "INR"),
        ("$1,234.5", "1234.5", "USD"),
        ("US$1,000,000", "1000000", "USD"),
        ("$500", "500", "USD"),
        ("$ 20 CAD", "20", "CAD"),
        ("500 $ CAD", "500", "CAD"),
        ("USD $500", "500", "USD"),
        ("C$ 500", "500", "CAD"),
        ("A$5", "5", "AUD"),
        ("R$ 1.234,56", "1234.56", "BRL"),
        ("200.50 dollars", "200.50", "USD"),
        ("500 Canadian dollars", "500", "CAD"),
        ("500 pounds sterling", "500", "GBP"),
        ("500 zł", "500", "PLN"),
        ("EUR500", "500", "EUR"),
        ("EUR: 0,50", "0.50", "EUR"),
        ("5,000 yen", "5000", "JPY"),
        ("€0", "0", "EUR"),
        ("12.50 EUR.", "12.50", "EUR"),
        ("~$500 / month", "500", "USD"),
    ],
)
def test_amounts_are_read(quote: str, value: str, currency: str) -> None:
    assert parse(quote) == Money(Decimal(value), currency)


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "EUR",
        "500",
        "five hundred euros",
        "100-200 EUR",
        "two bills, 120.50 and 80.00 dollars",
        "20 % of EUR 500",
        # a number that stands for a larger one
        "$5k",
        "$1.5 million",
        "2 millions EUR",
        "EUR 3 Mio.",
        "5 lakh INR",
        "500 hundred dollars",
        # two readings of the number
        "EUR 1,234.567",
        "EUR 0.500",
        "12 34 EUR",
        "1 2 3 EUR",
        "EUR 1.2.3",
        "USD 12,345,67",
        # no currency, or two, or an unknown one
        "€ 20 USD",
        "500 pesos",
        "500 of his dollars",
        "X$5",
        "CADILLAC 500",
        "I WILL TRY TO GET 500",
        # what is owed to the insurer is no claim
        "-500 USD",
        "$-500",
        "USD −500",
        # more digits than any schema has room for
        "EUR 1234567890123456",
        "$0.'0",
    ],
)
def test_what_has_no_reading_or_two_is_not_read(quote: str) -> None:
    assert parse(quote) is None


AMOUNTS = st.decimals(min_value=0, max_value=Decimal("999999999999.99"), places=2)


@given(AMOUNTS, st.sampled_from(["EUR", "USD", "CHF", "GBP"]), st.booleans())
def test_every_amount_is_read_in_english_and_german(amount: Decimal, currency: str, first: bool) -> None:
    english = f"{amount:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    swiss = english.replace(",", "'")
    for text in (english, german, swiss, f"{amount:.2f}"):
        assert parse(f"{currency} {text}" if first else f"{text} {currency}") == Money(amount, currency)


@given(st.text(alphabet="0123456789.,' €$EURUSDCk-()", max_size=16))
def test_whatever_it_is_given_it_returns_an_exact_amount_or_none(quote: str) -> None:
    found = parse(quote)
    if found is not None:
        assert found.value >= 0
        assert found.value == found.value.quantize(Decimal("0.01"))
        digits = "".join(letter for letter in quote if letter.isdigit())
        read = f"{found.value}".replace(".", "")
        assert read.lstrip("0") == digits.lstrip("0"), "no digit is dropped or made up"
