"""Dates of birth: a date, in any of the usual forms, that a word for birth announces or follows."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import Context, Pattern, Strength
from pipeline.redact.pii import PiiType

_MONTHS: Final = (
    "jan(?:uary|uar|vier|ner|eiro)?|en(?:ero|e)|gen(?:naio)?|ene|sty(?:cznia|czen)?",
    "feb(?:ruary|ruar|brero|braio|ruari)?|fev(?:rier|ereiro)?|lut(?:ego|y)?",
    "mar(?:ch|s|zo|co|z|t|ca|zec)?|maerz|maart|mrt|mrz",
    "apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|kwi(?:etnia|ecien)?",
    "may|mai|mayo|mag(?:gio)?|maio|mei|maj(?:a)?",
    "june?|juin|juni[o]?|giu(?:gno)?|junho|cze(?:rwca|rwiec)?",
    "july?|juil(?:let)?|jul[io]{1,2}|lug(?:lio)?|julho|lip(?:ca|iec)?",
    "aug(?:ust|usti|ustus)?|aout|ago(?:sto|s)?|sie(?:rpnia|rpien)?",
    "sept?(?:ember|embre|iembre)?|set(?:embre|tembre|embro)?|wrz(?:esnia|esien)?",
    "oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|out(?:ubro)?|paz(?:dziernika|dziernik)?",
    "nov(?:ember|embre|iembre|embro)?|lis(?:topada|topad)?",
    "dec(?:ember|embre)?|dez(?:ember|embro)?|dic(?:iembre|embre)?|gru(?:dnia|dzien)?",
)
"""English, German, French, Spanish, Italian, Portuguese, Dutch, Polish and Nordic months, without accents."""
MONTHS: Final = "|".join(_MONTHS)
_MONTH: Final = rf"(?:{MONTHS})\.?"
_DAY: Final = r"[0-3]?\d(?:st|nd|rd|th|er|o|a|e)?\.?"
_OF: Final = r"(?:[ ,/-]{1,2}(?:of |de |del |den |di )?)"
_YEAR: Final = r"(?:,? ?(?:de |del |of )?|[-/ ])(?:1[89]|20)?\d{2}"

_WORDS: Final = (
    "(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|first|second|third|fourth"
    "|fifth"
    "|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth"
    "|eighteenth|nineteenth|twentieth|thirtieth"
)
_TENS: Final = (
    "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?"
    "|(?:oh|o)[ -](?:one|two|three|four|five|six|seven|eight|nine)|ten|eleven|twelve"
    "|(?:thir|four|fif|six|seven|eigh|nine)teen|one|two|three|four|five|six|seven|eight|nine|hundred"
)
_YEAR_IN_WORDS: Final = rf"(?:nineteen|eighteen|twenty)[ -](?:{_TENS})|two thousand(?: and)?(?: (?:{_TENS}))?"
_COMPACT: Final = 8
"""Characters of a date that is written without separators."""

_REACH: Final = 60
_BEHIND: Final = 24
_BIRTH_BEHIND: Final = re.compile(
    r"[ \t]{0,2}[,(]?[ \t]{0,2}(?:is my |as |= ?|ist mein |est ma )?(?:date of birth|birth ?da(?:y|te)"
    r"|d\.?o\.?b\b|geburtsdatum|geboren)",
    re.IGNORECASE,
)
_OTHER_DATE: Final = re.compile(r"\d{4}|\d[./-]\d")
"""A date between the word for birth and this one: the word was that one's."""
_NUMBERS: Final = re.compile(r"\d+")


def _birth(context: Context, start: int, end: int) -> tuple[int, int] | None:
    text = context.text
    cue = context.last(Cue.BIRTH, start, _REACH)
    if cue >= 0:
        if _OTHER_DATE.search(text, cue, start) is not None:
            return None
    elif not context.ends(Cue.BIRTH) or _BIRTH_BEHIND.match(text, end, end + _BEHIND) is None:
        return None
    before, behind = context.before(start), context.behind(end)
    if before.isdigit() or behind.isdigit() or before in "-/":
        return None
    if (behind in "-/." and text[end + 1 : end + 2].isdigit()) or not _plausible(text[start:end]):
        return None
    return start, end


def _written(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A date in words."""
    return (start, end) if context.last(Cue.BIRTH, start, _REACH) >= 0 else None


def _plausible(value: str) -> bool:
    """Day and month within a calendar's bounds, where both are numbers."""
    numbers = [int(number) for number in _NUMBERS.findall(value)]
    if len(numbers) == 1 and len(value) == _COMPACT:
        return 1 <= int(value[4:6]) <= 12 and 1 <= int(value[6:]) <= 31
    if len(numbers) != 3:
        return 1 <= min(numbers) <= 31
    year_first = numbers[0] > 31
    small = sorted(numbers[1:] if year_first else numbers[:2])
    return 1 <= small[0] <= 12 and small[1] <= 31


PATTERNS: Final = (
    Pattern(
        PiiType.DATE_OF_BIRTH,
        rf"\b(?:the )?(?:{_WORDS}) (?:of )?{_MONTH},? (?:{_YEAR_IN_WORDS})\b"
        rf"|\b{_MONTH} (?:the )?(?:{_WORDS}),? (?:{_YEAR_IN_WORDS})\b",
        Strength.CUED,
        check=_written,
        caseless=True,
        yes=("born «tenth of May nineteen ninety-eight»", "DOB «June the third, two thousand and one»"),
        no=("we met on the tenth of May nineteen ninety-eight",),
    ),
    Pattern(
        PiiType.DATE_OF_BIRTH,
        r"\b[0-3]?\d ?[./-] ?[0-3]?\d ?[./-] ?(?:1[89]|20)?\d{2}\b|\b(?:1[89]|20)\d{2}[./-][01]?\d[./-][0-3]?\d\b"
        r"|\b(?:1[89]|20)\d{2}[01]\d[0-3]\d\b",
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
        rf"\b{_DAY}{_OF}{_MONTH}{_YEAR}\b|\b{_MONTH} [0-3]?\d(?:st|nd|rd|th)?,? ?(?:1[89]|20)\d{{2}}\b"
        rf"|\b(?:1[89]|20)\d{{2}}[ -]{_MONTH}[ -][0-3]?\d\b",
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
