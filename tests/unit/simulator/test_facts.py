"""Dates, amounts, people and places that a text names are found in it."""

from __future__ import annotations

import datetime

import pytest
from pipeline.simulator.draws import draw
from pipeline.simulator.facts import Facts


def _facts(text: str) -> Facts:
    return Facts(text, "", draw(1, b"x", 0))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("on 2026-03-09.", "2026-03-09"),
        ("on 03/09/2026 at noon", "2026-03-09"),
        ("on 25/12/2025", "2025-12-25"),
        ("am 9.3.2026", "2026-03-09"),
        ("since 9.3.26,", "2026-03-09"),
        ("on March 9, 2026", "2026-03-09"),
        ("on mar. 9th 2026", "2026-03-09"),
        ("on 9 March 2026", "2026-03-09"),
        ("the 9th of March, 2026", "2026-03-09"),
        ("in March 2026", "2026-03-01"),
    ],
)
def test_dates_are_read(text: str, date: str) -> None:
    assert _facts(text).dates == (datetime.date.fromisoformat(date),)


@pytest.mark.parametrize("text", ["on 2026-13-40", "31/31/2026", "call 555-01-4477", "in 2026", "30 February 2026"])
def test_what_is_no_date_is_not_read(text: str) -> None:
    assert _facts(text).dates == ()


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("It cost $1,250.50.", "$1,250.50"),
        ("It cost € 40, really", "€ 40"),
        ("It cost 40€", "40€"),
        ("repairs of 1.250,50 EUR", "1.250,50 EUR"),
        ("USD 300 or more", "USD 300"),
        ("about 900 dollars", "900 dollars"),
    ],
)
def test_amounts_are_quoted_letter_by_letter(text: str, quote: str) -> None:
    assert _facts(text).money == (quote,)
    assert quote in text


def test_people_places_and_numbers_are_found_by_placeholder_first() -> None:
    facts = _facts(
        "Mr. Smith in Oak Street met [PERSON_2] and [PERSON_1] at [ADDRESS_1], policy [POLICY_NUMBER_3], age 42."
    )
    assert facts.people == ("[PERSON_2]", "[PERSON_1]")
    assert facts.places == ("[ADDRESS_1]",)
    assert facts.identifiers == ("[POLICY_NUMBER_3]",)
    assert facts.numbers == (42.0,)
    plain = _facts("Mr. Smith fell in Oak Street. He broke his arm and left.")
    assert (plain.people, plain.places) == (("Mr. Smith",), ("Oak Street",))
    assert plain.injuries == ("He broke his arm and left.",)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the parcel that you have not sent?", "en"),
        ("Ich habe die Rechnung nicht und das ist mit der Post", "de"),
        ("Vous avez une erreur dans les factures pour mon compte", "fr"),
        ("¿Dónde está mi pedido? Quiero una respuesta por favor con los datos", "es"),
        ("", "en"),
    ],
)
def test_the_language_is_guessed(text: str, language: str) -> None:
    assert _facts(text).language == language
