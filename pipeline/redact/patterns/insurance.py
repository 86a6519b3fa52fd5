"""Policy and claim numbers. Every insurer has its own form: the word before them says what they are."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import LEADER, Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_NUMBER_WORDS: Final = (
    r"number|numbers|no|nos|nr|num|nummer|numero|numer|n|id|ref|reference|file|nbr|n\.o|is|are|was|est|ist|es|e"
    r"|lautet|le|the"
    r"|unter|under|mit|der|with|du|de|del|do|da"
)
_GROUP: Final = r"[A-Z0-9]{1,18}(?:[/._-][A-Z0-9]{1,14}){0,5}"
_VALUE: Final = re.compile(
    rf"(?:[ \t]{{0,2}}\(?(?:\b(?:{_NUMBER_WORDS})\b[.:o]{{0,2}}\)?|[,:#=(_\"']|-?nr\.?|/)"
    rf"|{LEADER}){{0,6}}\s{{0,3}}[\"'(]?"
    rf"(?P<value>(?=[A-Z /.-]{{0,9}}[0-9]){_GROUP}(?: (?=[A-Z/._-]{{0,6}}[0-9]|[A-Z]\b)(?-i:{_GROUP})){{0,4}})\b",
    re.IGNORECASE,
)
_DATE: Final = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|(?:19|20)\d\d[/.-]\d\d?[/.-]\d\d?")
_SHORTEST: Final = 5


def _number(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Five letters and digits or more, four of them digits; no date, no sum of money, no year."""
    text = context.text
    value = text[start:end]
    if (date := _DATE.match(value)) is not None and date.end() == len(value):
        return None
    digits = sum(char.isdigit() for char in value)
    size = sum(char.isalnum() for char in value)
    if size < _SHORTEST or digits < 4 or context.before(start).isalnum():
        return None
    if value[0].isalpha() and value.split(" ")[0].isalpha() and value[0].islower():
        return None
    behind = text[end : end + 2]
    if (behind[:1] in "@%" and behind[:1]) or (behind[:1] in ".," and behind[1:].isdigit()):
        return None
    return start, end


_SAID_BEHIND: Final = re.compile(
    rf"(?<![A-Za-z0-9./-])(?P<value>(?=[A-Z ./-]{{0,9}}[0-9]){_GROUP}(?: (?=[A-Z/._-]{{0,6}}[0-9]){_GROUP}){{0,3}})"
    r"(?: with you,?| ?[(,]| is| was| as){1,3}(?: (?:it|which|that|is|was|as|my|the|a|our|of"
    r"|your)){0,4} ?[A-Za-z -]{3,24}\Z"
)


PATTERNS: Final = (
    Pattern(
        PiiType.POLICY_NUMBER,
        r"\b(?:POL|PLCY|POLICY|VSNR)[-/.]?(?:[A-Z]{1,3}[-/.]?)?\d{4,12}(?:[-/]\d{1,8})?\b",
        Strength.SHAPE,
        check=_number,
        yes=("Re «POL-86917990».",),
        no=("POL-12",),
    ),
    Pattern(
        PiiType.CLAIM_NUMBER,
        r"\b(?:CLM|CLAIM|SINIS?)[-/.]?(?:[A-Z]{1,3}[-/.]?)?\d{4,12}(?:[-/]\d{1,8})?\b",
        Strength.SHAPE,
        check=_number,
        yes=("Re «CLM-2024-118822»",),
        no=("CLM-12",),
    ),
)
CUED: Final = (
    Cued(
        PiiType.POLICY_NUMBER,
        Cue.POLICY,
        _SAID_BEHIND,
        check=_number,
        behind=True,
        yes=("I hold «LV-14890069-3» with you, it is a policy for", "«HOME-7744-4306» is my policy number"),
        no=("since 2019, my policy", "on 25.03.2025, the policy"),
    ),
    *tuple(
        Cued(kind, cue, _VALUE, check=_number, yes=yes, no=no)
        for kind, cue, yes, no in (
            (
                PiiType.POLICY_NUMBER,
                Cue.POLICY,
                (
                    "My policy number is «MTR 174 049 259», please",
                    "contrat n° «CT-9691417-A»",
                    "Versicherungsnummer: «66.930.001128-6»",
                    "Vertrag «HV 2025/44967»",
                    "under policy «9249122452».",
                ),
                ("policy of 25.03.2025", "my policy costs 4000 EUR", "policy since 2019", "contract of 12 months"),
            ),
            (
                PiiType.CLAIM_NUMBER,
                Cue.CLAIM,
                ("Re: claim «C12345678»", "Schaden «SD-2024-118822», Vertrag", "sinistre n° «SIN-2024-11882»"),
                ("claim of 1200.50", "claims 12 items", "Schaden vom 25.03.2025"),
            ),
        )
    ),
)
