"""Names and numbers as people write them: what stands between « and » is found, all else is left alone."""

from __future__ import annotations

import re

import pytest
from pipeline.redact import Redactor

REDACTOR = Redactor()
_MARK = re.compile("[«»]")


def _check(marked: str) -> None:
    text, wanted, at = _MARK.sub("", marked), [], []
    for offset, mark in enumerate(_MARK.finditer(marked)):
        at.append(mark.start() - offset)
    wanted = list(zip(at[::2], at[1::2], strict=True))
    found = [(span.start, span.end) for span in REDACTOR.find(text)]
    assert found == wanted, [text[start:end] for start, end in found]


@pytest.mark.parametrize(
    "marked",
    [
        "Name: «Ilse Brandvold»\nSubject: late parcel",
        "Cognome: «Zanchetta»; Nome: «Elia»",
        "<customer_name>«Odile Fauconnet»</customer_name>",
        "hi, this is «tamsin holroyd» again, still no refund",
        "Regards,\n«Joanna Doe»",
        "My son «Callum Ashworth» was in the car.",
        "Hi «Rosalind» and «Torquil»,\nthe parcel is late.",
        "Name: «April Sandoval»\nBorn: «5/12/2005»\nNINO: «RG 53 17 97 C»",
    ],
)
def test_people_who_are_introduced(marked: str) -> None:
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "My card is «four two four two, 4242 4242 4242».",
        "Call me on «double oh four four, two oh, seven nine four six, oh nine five eight».",
        "IBAN: «DE89 37O4 OO44 O532 O13O OO»",
        "Mail «jo.doe (at) example (dot) com» please.",
        "Mail «jo&#46;doe&#64;example&#46;com» please.",
        "Mail «jo.doe%40example.com» please.",
        "Card «４２４２ ４２４２ ４２４２ ４２４２» was charged.",
        "Card «4242-4242\n4242-4242» was charged.",
        "VIN «WVW ZZZ1JZ 3W386752» is on the paper.",
        "SSN should read «219 - 09 - 9998».",
    ],
)
def test_values_that_are_written_otherwise(marked: str) -> None:
    _check(marked)


@pytest.mark.parametrize(
    "text",
    [
        "Dear God, will this ever end?",
        "Siehe Ziffer 4.2.1.3 der AGB.",
        "Payroll ID 36385, order 2938471, version 122.0.0.0.",
        "Two of four arrived, one at eight, one at nine.",
        "Name: unknown",
        "Mon colis ne bouge plus depuis le 2025-02-12, merci.",
        "Chrome/122.0.0.0 on Windows says error 0x80070057.",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    _check(text)
