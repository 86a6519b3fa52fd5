"""Dates, in all the notations in which people and programs write a day with its year."""

from __future__ import annotations

from typing import Final

from pipeline.redact.lexicon import lines, words
from pipeline.redact.shadow import expression

MONTHS: Final = "|".join(lines("months"))
MONTH: Final = rf"(?:{MONTHS})\.?"
DAY: Final = r"[0-3]?\d(?:st|nd|rd|th|er|o|a|e)?\.?"
OF: Final = r"(?:[ ,/-]{0,2}(?:of |de |del |den |di )?)"
YEAR: Final = r"(?:[,.]? ?(?:de |del |of )?|[-/ ])(?:1[89]|20|')?\d{2}"

_ROMAN: Final = r"(?:XII|XI|IX|X|VIII|VII|VI|IV|V|III|II|I)"
_NUMERAL: Final = (
    "|".join(sorted(words("number_words"), key=len, reverse=True))
    + "|[a-z]{0,20}(?:hundert|tausend|zwanzig|dreissig|zehn|und[a-z]{3,6}zig)[a-z]{0,24}"
    "|[a-z]{2,10}(?:ster|sten|ter|ten)"
    "|(?:mille|duemila)[a-z]{0,24}|(?:venti|dieci|veinti)[a-z]{2,8}"
)
_JOINT: Final = r"[ ,-]{1,2}(?:(?:of|the|and|de|del|di|et|y|e|im|le|el|il) ){0,2}"
_IN_WORDS: Final = (
    rf"(?=[a-z ,-]{{0,36}}?\b(?:{MONTHS})\b)(?=[a-z ,-]{{3,90}}?\b(?:nineteen|eighteen|twenty|two thousand|neunzehn"
    rf"|zweitausend|mille|mil|dos mil|duemila))"
    rf"(?:the )?(?:{_NUMERAL}|{MONTHS})\b(?:{_JOINT}(?:{_NUMERAL}|{MONTHS})\b){{2,14}}"
)
DATE: Final = (
    r"\d{4} ?[./-] ?\d{1,2} ?[./-] ?\d{1,2}\.?(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?Z?)?"
    r"|\d{1,2} ?[./-] ?\d{1,2} ?[./-] ?(?:\d{4}|'?\d{2})|\d{1,2} \d{1,2} (?:1[89]|20)\d{2}|\d{8}|\d{6}"
    r"|\d{4}\xa4 ?\d{1,2}\xa4 ?\d{1,2}\xa4?"
    rf"|\d{{1,2}}[ ./-]{{1,2}}{_ROMAN}[ ./-]{{1,2}}(?:\d{{4}}|\d{{2}})"
    rf"|(?:the )?{DAY}[ ,./-]{{0,3}}(?:(?:of|de|del|den|di) )?{MONTH}[ ,./-]{{0,3}}"
    rf"(?:(?:of|de|del) )?'?(?:(?:1[89]|20)\d{{2}}|\d{{2}})"
    rf"|{MONTH}[ ./-]{{1,2}}(?:the )?[0-3]?\d(?:st|nd|rd|th)?[ ,./-]{{1,3}}'?(?:(?:1[89]|20)\d{{2}}|\d{{2}})"
    rf"|(?:1[89]|20)\d{{2}}[ ,./-]{{1,3}}{MONTH}[ ,./-]{{1,2}}[0-3]?\d\.?"
    rf"|{_IN_WORDS}"
)
"""Python's `re`, caseless, over the shadow."""

_NUMBERS: Final = expression(r"\d+")
_COMPACT, _SHORT = 8, 6
"""Characters of a date that is written without separators, with and without its century."""
_MONTHS_OF_A_YEAR, _LONGEST_MONTH = 12, 31


def plausible(value: str) -> bool:
    """Day and month within a calendar's bounds, where they are numbers."""
    numbers = [int(number) for number in _NUMBERS.findall(value.partition("T")[0] if "T" in value[8:] else value)]
    if not numbers:
        return True
    if len(numbers) == 1:
        return _compact(value)
    if len(numbers) != 3:
        return 1 <= min(numbers) <= _LONGEST_MONTH
    small = sorted(numbers[1:] if numbers[0] > _LONGEST_MONTH else numbers[:2])
    return 1 <= small[0] <= _MONTHS_OF_A_YEAR and small[1] <= _LONGEST_MONTH


def _compact(value: str) -> bool:
    """`19700312`, `12031970` or `03121970`, and the like without the century."""
    if len(value) == _COMPACT:
        starts = ((4, 6, 0), (2, 0, 4), (0, 2, 4))
        return any(
            value[year : year + 2] in ("18", "19", "20") and _day(value, month, day) for month, day, year in starts
        )
    return len(value) == _SHORT and any(_day(value, month, day) for month, day in ((2, 4), (2, 0), (0, 2)))


def _day(value: str, month: int, day: int) -> bool:
    return 1 <= int(value[month : month + 2]) <= _MONTHS_OF_A_YEAR and 1 <= int(value[day : day + 2]) <= _LONGEST_MONTH
