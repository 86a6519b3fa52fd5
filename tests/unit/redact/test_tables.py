"""In a table the heading says what a column is, whatever separates the cells."""

from __future__ import annotations

import functools

import pytest
from pipeline.redact import RedactionPolicy, Redactor


@functools.cache
def _redactor(names: bool = True) -> Redactor:
    return Redactor(RedactionPolicy(names=names))


def _redacted(text: str, names: bool = True) -> str:
    return _redactor(names).redact({"text": text}).fields["text"].text


@pytest.mark.parametrize("separator", [",", ";", "\t", " | ", "    "])
def test_columns_are_read_by_their_headings(separator: str) -> None:
    rows = [
        ("id", "last_name", "birth_date", "policy"),
        ("7", "Zyxquil", "28.03.1992", "77-4603"),
        ("8", "Doe", "n/a", "-"),
    ]
    text = "\n".join(map(separator.join, rows))
    first, second = _redacted(text).split("\n")[1:]
    assert [cell.strip() for cell in first.split(separator)] == [
        "7",
        "[PERSON_1]",
        "[DATE_OF_BIRTH_1]",
        "[POLICY_NUMBER_1]",
    ]
    assert [cell.strip() for cell in second.split(separator)] == ["8", "[PERSON_2]", "n/a", "-"]


def test_a_table_ends_where_its_lines_do() -> None:
    text = "id,surname,dob,kind\n1,Zyxquil,28.03.1992,a\n\nRed, blue, green, 04.10.2023\n"
    assert _redacted(text).endswith("\n\nRed, blue, green, 04.10.2023\n")


def test_without_names_people_stay_in_their_columns() -> None:
    assert "Zyxquil" in _redacted("id,surname,dob,kind\n1,Zyxquil,28.03.1992,a\n", names=False)


def test_a_line_with_commas_is_no_heading() -> None:
    text = "Hello, my name, or what is left, matters\n1, 2, 3, 4\n"
    assert _redacted(text) == text


def test_a_heading_that_no_list_knows_is_read_by_the_words_in_it() -> None:
    text = "Vorname;Pol.-Nr. neu;Amtl. Kennzeichen;Vertragsbetrag\nZyxquil;77-4603;W 12345 A;120000\n"
    assert _redacted(text).split("\n")[1] == "[PERSON_1];[POLICY_NUMBER_1];[LICENSE_PLATE_1];120000"
