"""Dates of birth: a date, in any of the usual forms, that a word for birth announces or follows."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.names.kinds import NAME, kind_of
from pipeline.redact.patterns.dates import DATE, DAY, MONTH, OF, YEAR, plausible
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_REACH: Final = 60
_BEHIND: Final = 24
_BIRTH_BEHIND: Final = expression(
    r"[ \t]{0,2}[,(]?[ \t]{0,2}(?:is my |as |= ?|ist mein |est ma )?(?:date of birth|birth ?da(?:y|te)"
    r"|d\.?o\.?b\b|geburtsdatum|geboren)",
    re.IGNORECASE,
)
_OTHER_DATE: Final = expression(r"\d{4}|\d[./-]\d")
"""A date between the word for birth and this one: the word was that one's."""
_NOT: Final = expression(r" [a-z' ]{1,30}\b(?:pas|plus|jamais|rien|guere)\b")
"""Behind `ne`: without its accent it is also French for `not`."""
_LONGEST_LINE: Final = 120
_YOUNGEST: Final = 2012
"""Without a word for birth, a later year is rather a contract's or a letter's."""
_PERSON_BEFORE: Final = expression(
    r"[ \t>|*-]{0,4}(?:\d{1,2}[.)] )?(?P<name>[A-Z][A-Za-z'.-]+(?: [A-Za-z'.-]+){1,4})"
    r"(?:, (?=[^\n]{0,40}\d)[A-Za-z0-9][A-Za-z0-9 ,'./-]{5,80}[a-z0-9])?(?:, | - | ?[|;\t] ?)"
)
_NOTHING_BEHIND: Final = expression(r"[ \t]{0,2}(?:\n|\Z|[,;|] ?[A-Z0-9])")


def _birth(context: Context, start: int, end: int) -> tuple[int, int] | None:
    return _near_its_word(context, start, end) or _recorded(context, start, end)


def _recorded(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A date that, without a word for birth, stands behind a person's name in a line that has little else."""
    if _NOTHING_BEHIND.match(context.text, end) is None:
        return None
    line = context.text.rfind("\n", max(0, start - _LONGEST_LINE), start) + 1
    match = _PERSON_BEFORE.fullmatch(context.text, line, start)
    if match is None:
        return None
    if not any(kind_of(word) & NAME for word in match["name"].split()) or not plausible(context.text[start:end]):
        return None
    year = re.search(r"(?:19|20)\d\d", context.text[start:end])
    return (start, end) if year is None or int(year[0]) <= _YOUNGEST else None


def _near_its_word(context: Context, start: int, end: int) -> tuple[int, int] | None:
    text = context.text
    cue = context.last(Cue.BIRTH, start, _REACH)
    if cue >= 0:
        if _OTHER_DATE.search(text, cue, start) is not None or _NOT.match(text, cue, start) is not None:
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
        r"\b[0-3]?\d ?[./-] ?[0-3]?\d ?[./-] ?(?:1[89]|20|')?\d{2}\b|\b[0-3]?\d [0-3]?\d (?:1[89]|20|')\d{2}\b"
        r"|\b(?:1[89]|20)\d{2}[./-][01]?\d[./-][0-3]?\d\b",
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
            "née le «04 10 1956» à",
            "Ada Roe, «04.10.1956»",
            "Named drivers\n1) Ada Roe - «10/4/56»\n2) Ada Low",
            "Ada Roe, Lindenweg 5, «04.10.1956»",
            "your date of birth?\n[10:03] Customer: «04.10.1956»",
            "DOB «4/10/'56»",
        ),
        no=(
            "insured since 02.10.2020",
            "Ada Roe, 04.10.2022",
            "Bad Homburg, 04.10.1999",
            "ordered on 04.10.2023",
            "DOB 19564510",
            "born 45.13.1956",
            "version 1.2.2003",
        ),
    ),
    Pattern(
        PiiType.DATE_OF_BIRTH,
        rf"\b{DAY}{OF}{MONTH}{YEAR}\b|\b{MONTH}[ -]?[0-3]?\d(?:st|nd|rd|th)?,?[ -]?(?:(?:1[89]|20)\d\d|'\d\d)\b"
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
            "geboren am «8.Mai 1936»",
            "DOB «27APR1953», male",
            "born on «5 Aug '43» in",
            "nací el «12 de mayo de 1973»",
            "nacida el «3 de febrero de 1990»",
            "geboren op «25 januari 1977»",
            "nasci em «3 de março de 1980»",
            "Né(e) le : «3 mars 1980»",
            "dob «Oct 5 '82»",
            "2) Ada Roe - «May. 25, 1955»",
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
        form=expression(rf"(?<![A-Za-z0-9])(?:{DATE})(?![A-Za-z0-9])", re.IGNORECASE),
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
