"""Policy and claim numbers. Every insurer has its own form: the word before them says what they are."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_GROUP: Final = r"[A-Z0-9]{1,18}(?:[/._-][A-Z0-9]{1,14}){0,5}"
_VALUE: Final = behind(rf"(?=[A-Z /.-]{{0,9}}[0-9]){_GROUP}(?: (?=[A-Z/._-]{{0,6}}[0-9]|[A-Z]\b)(?-i:{_GROUP})){{0,4}}")
_FORM: Final = expression(
    rf"(?<![A-Za-z0-9._/-])(?:[A-Z]{{1,6}} )?(?=[A-Za-z/._-]{{0,9}}[0-9])[A-Za-z0-9]{{1,18}}"
    rf"(?:[/._-][A-Za-z0-9]{{1,14}}){{0,5}}"
    rf"(?: (?=[A-Z/._-]{{0,6}}[0-9]|[A-Z]\b){_GROUP}){{0,4}}(?![A-Za-z0-9])"
)
_AMOUNT: Final = expression(r"\d+[.,]\d{2}")
_MONEY: Final = expression(
    r"(?:EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|INR|BRL|CAD|AUD|JPY|NZD|ZAR|MXN|Rs\.?)\b", re.IGNORECASE
)
_MONEY_BEFORE: Final = expression(r"(?:[$\xa3\xa4\xa5]|\b(?:EUR|USD|GBP|CHF|INR|Rs\.?)) ?\Z", re.IGNORECASE)
_DATE: Final = expression(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|(?:19|20)\d\d[/.-]\d\d?[/.-]\d\d?")
_SHORTEST: Final = 5
_LONGEST_SUM: Final = 7
"""Digits before the comma of a sum of money."""


def _number(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Five letters and digits or more, four of them digits; no date, no sum of money, no year."""
    text = context.text
    value = text[start:end]
    if (
        _AMOUNT.fullmatch(value) is not None
        or _MONEY.match(value) is not None
        or _MONEY.match(text, end + 1) is not None
    ):
        return None
    if _MONEY_BEFORE.search(text, max(0, start - 5), start) is not None:
        return None
    if (date := _DATE.match(value)) is not None and date.end() == len(value):
        return None
    digits, size = sum(map(str.isdigit, value)), sum(map(str.isalnum, value))
    if size < _SHORTEST or digits < 4 or context.before(start).isalnum():
        return None
    if value[0].isalpha() and value.split(" ")[0].isalpha() and value[0].islower():
        return None
    behind = text[end : end + 2]
    if (behind[:1] in "@%" and behind[:1]) or (size <= _LONGEST_SUM and behind[:1] in ".," and behind[1:].isdigit()):
        return None
    return start, end


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
CUED: Final = tuple(
    Cued(kind, cue, _VALUE, check=_number, form=_FORM, is_named_behind=True, yes=yes, no=no)
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
                "Policy ................ «HOME-4692-8772»",
                "<policy>«BAV.96982.04»</policy>",
                "policy_no=«RV20301781219»;",
                '"policyNumber": "«KFZ 174-881-527»",',
                "Contrat : «NRU4335160»",
                "Policy ref. «QX/55/1234567-B», please",
                "Polizzennummer «44.123.456»",
                "mon contrat «ID-3660-PK-4469».",
                "I hold «6377-78335/04» with you, it is a policy",
                "«KFZ 564-664-049» ist meine Police",
                "quoting «LV-14890069-3» (policy number)",
                "Please enter your policy number.\nNgozi: «LQE5760540»",
                "What is your policy number, please?\n[10:32] Ann: sure, it's «ST-9180-FG-0338»",
                "policies AB-123456, «CD-998877» and EF-445566",
                "policies AB-123456, CD-998877 and «EF-445566»",
            ),
            (
                "I paid 1200.50 for my policy",
                "policy fee EUR 12000",
                "order 12345678 is not in my policy",
                "policy of 25.03.2025",
                "my policy costs 4000 EUR",
                "policy since 2019",
                "contract of 12 months",
            ),
        ),
        (
            PiiType.CLAIM_NUMBER,
            Cue.CLAIM,
            (
                "Re: claim «C12345678»",
                "Schaden «SD-2024-118822», Vertrag",
                "sinistre n° «SIN-2024-11882»",
                "Claim ................. «SIN 14519106»",
                "«2056-707950» is my claim number",
                "Schadennr. «KH 24 778812» ist offen",
                "Claim ref: «24PAC00912»",
            ),
            ("claims USD 640.44", "claim of 1200.50", "claims 12 items", "Schaden vom 25.03.2025"),
        ),
    )
)
