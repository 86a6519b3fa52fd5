"""Dates of birth: a date, in any of the usual forms, that a word for birth announces or follows."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.dates import DATE, DAY, MONTH, OF, YEAR, plausible
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_REACH: Final = 60
_BEHIND: Final = 24
_BIRTH_BEHIND: Final = re.compile(
    r"[ \t]{0,2}[,(]?[ \t]{0,2}(?:is my |as |= ?|ist mein |est ma )?(?:date of birth|birth ?da(?:y|te)"
    r"|d\.?o\.?b\b|geburtsdatum|geboren)",
    re.IGNORECASE,
)
_OTHER_DATE: Final = re.compile(r"\d{4}|\d[./-]\d")
"""A date between the word for birth and this one: the word was that one's."""


def _birth(context: Context, start: int, end: int) -> tuple[int, int] | None:
    text = context.text
    cue = context.last(Cue.BIRTH, start, _REACH)
    if cue >= 0:
        if _OTHER_DATE.search(text, cue, start) is not None:
            return None
    elif not context.ends(Cue.BIRTH) or _BIRTH_BEHIND.match(text, end, end + _BEHIND) is None:
        return None
    before, behind = context.before(start), context.behind(end)
    if before.isdigit() or behind.isdigit() or before in "-/.":
        return None
    if (behind in "-/." and text[end + 1 : end + 2].isdigit()) or not plausible(text[start:end]):
        return None
    return start, end


def _date(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A date that the cue itself announces."""
    before, behind = context.before(start), context.behind(end)
    if before.isalnum() or (before == "." and context.text[start - 2 : start - 1].isdigit()):
        return None
    if behind in "-/." and context.text[end + 1 : end + 2].isdigit():
        return None
    return (start, end) if plausible(context.text[start:end]) else None


PATTERNS: Final = (
    Pattern(
        PiiType.DATE_OF_BIRTH,
        r"\b[0-3]?\d ?[./-] ?[0-3]?\d ?[./-] ?(?:1[89]|20)?\d{2}\b|\b(?:1[89]|20)\d{2}[./-][01]?\d[./-][0-3]?\d\b",
        Strength.CUED,
        check=_birth,
        yes=(
            "born on «4.10.1956», lives",
            "date of birth: «1956-10-04»",
            "DOB «10/04/56»",
            "DOB «19561004», in case",
            "Date of birth ......... «28.04.1941»",
            "Statement of J. Roe, b. «1943-11-25», of",
            "geb. «04.10.1956»",
            "My date of birth is wrong in the profile, it should be «7/22/1984».",
            "«04/10/1956» (date of birth)",
        ),
        no=(
            "insured since 02.10.2020",
            "ordered on 04.10.2023",
            "DOB 19564510",
            "born 45.13.1956",
            "version 1.2.2003",
        ),
    ),
    Pattern(
        PiiType.DATE_OF_BIRTH,
        rf"\b{DAY}{OF}{MONTH}{YEAR}\b|\b{MONTH} [0-3]?\d(?:st|nd|rd|th)?,? ?(?:1[89]|20)\d{{2}}\b"
        rf"|\b(?:1[89]|20)\d{{2}}[ -]{MONTH}[ -][0-3]?\d\b",
        Strength.CUED,
        check=_birth,
        caseless=True,
        yes=(
            "born «8 Oct 1983» in",
            "née le «7 octobre 1956»",
            "geboren am «16. November 1945»",
            "birth date «November 22, 1977»",
            "nacido el «3 de mayo de 1990»",
            "nata il «12 luglio 1980»",
            "born on the «22nd of November 1977»",
        ),
        no=("since 8 Oct 1983 we",),
    ),
)
CUED: Final = (
    Cued(
        PiiType.DATE_OF_BIRTH,
        Cue.BIRTH,
        behind(DATE),
        check=_date,
        form=re.compile(rf"(?<![A-Za-z0-9])(?:{DATE})(?![A-Za-z0-9])", re.IGNORECASE),
        is_named_behind=True,
        yes=(
            "born «tenth of May nineteen ninety-eight».",
            "DOB «June the third, two thousand and one»",
            "Date of birth (dd/mm/yyyy): «twenty-seventh of August nineteen eighty-three»",
            "geboren am «zehnten Mai neunzehnhundertachtundneunzig» in",
            "nee le «dix mai mille neuf cent quatre-vingt-dix-huit»",
            "nacida el «diez de mayo de mil novecientos noventa y ocho»",
            "DOB «19561004», in case",
            "dob=«04101956»",
            "Date of birth ......... «28.04.1941»",
            "<dob>«20021220»</dob>",
            '"dateOfBirth": "«1956-10-04T00:00:00Z»"',
            "b. «3.V.1990», of",
            "born «03MAY1990»",
            "geb. «4. Okt. '56»",
            "datum narozeni: «4. rijna 1956»",
            "szuletett: «1956. oktober 4.»",
            "What is your date of birth?\nJane: «4 May 1990»",
            "Please confirm your date of birth.\nJane: it's «04/05/90»",
            "«10 April 1956» is my date of birth",
        ),
        no=("birth certificate 560412345", "born in 1956", "date of birth missing, order 19561004", "DOB 19564510"),
    ),
)
