"""Telephone numbers: international, and in the national forms that carry a trunk prefix or a fixed grouping."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import words
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_EXTENSION: Final = expression(
    r"(?:,? {0,2}(?:ext(?:ension)?\.?|x|extn\.?|durchwahl|dw|poste|int\.?|toestel|anexo"
    r"|ramal) {0,2}\.?:? {0,2}\d{1,6}\b| ?# ?\d{1,6}\b)",
    re.IGNORECASE,
)
_INTERNATIONAL: Final = expression(r"(?:\+|00) ?\(?[1-9]\d{0,2}\)?(?:[ ./-]{0,3}\(?\d{1,8}\)?){1,8}")
_TRUNK: Final = expression(r"\(?0(?:\) ?\d| ?\d{1,5})\)?(?:[ ./-]{1,3}\(?\d{1,8}\)?){1,6}|0\d{8,11}")
_DATE: Final = expression(r"(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|(?:19|20)\d\d-\d\d-\d\d)(?![./-]?\d)")
_DECIMAL: Final = expression(r"\d+[.,]\d{1,3}")
_NANP_LEAD: Final = expression(r"(?<![0-9A-Za-z])1[ .-]?\Z")
_BRITISH_MOBILE: Final = expression(r"447\d{9}")
_MAIL_BEFORE: Final = expression(r"[A-Za-z]\.[A-Za-z]{2,4}, ?\Z")
_DIGITS: Final = expression(r"\d")
_GROUPS: Final = expression(r"\d+")
_MEASURE: Final = expression(r" ?(?:[kMG]?Wh|m3|km|kg)\b")
"""Behind a meter's reading."""
_JOINED: Final = "/.#_=:-"

_SHORTEST, _LONGEST = 8, 15
"""Digits of an international number: E.164 allows 15; shorter than 8 with a country code is none in practice."""
_TRUNK_SHORTEST, _TRUNK_LONGEST = 9, 12
"""Digits of a national number with its 0: 9 (Belgium, Luxembourg, small German towns) to 12 (German mobiles)."""
_BARE_TRUNK_SHORTEST: Final = 10
"""Without any grouping, nine digits with a leading 0 are more often another number."""

_COUNTRY_CODES: Final = words("country_codes")
_LONG_COUNTRY_CODES: Final = frozenset(code for code in _COUNTRY_CODES if len(code) > 1)
_NANP_AREAS: Final = words("north_american_areas")


_FORM: Final = expression(r"\(?\+?\d[\d ()./-]{5,24}\d")


def _international(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is the plus sign or the first of the zeros."""
    text = context.text
    if context.before(start).isalnum() or context.before(start) in ".-/":
        return None
    match = _INTERNATIONAL.match(text, start)
    if match is None:
        return None
    end = _end_of(text, match, _LONGEST)
    digits = "".join(_GROUPS.findall(text[start:end]))
    if text[start] == "0":
        digits = digits[2:]
        if context.named(Cue.OTHER_NUMBER, start):
            return None
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if not any(digits[:size] in _COUNTRY_CODES for size in (1, 2, 3)):
        return None
    return _with_bracket(context, start, _with_extension(text, end))


def _without_plus(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Country code and number, grouped, without the plus sign: one that country gave out, or beside its word.

    `start` is the character before them.
    """
    start += 1
    if _is_group_before(context.text, start):
        return None
    digits = "".join(_GROUPS.findall(context.text, start, end))
    if not _BARE_TRUNK_SHORTEST <= len(digits) <= _LONGEST or _COUNTRY_CODES.isdisjoint(
        (digits[:1], digits[:2], digits[:3])
    ):
        return None
    if not _free_behind(context, end) or _someone_elses(context, start, False):
        return None
    if _BRITISH_MOBILE.fullmatch(digits) is not None:
        return start, end
    beside = context.after(Cue.PHONE, start) or context.before_cue(Cue.PHONE, end) or _behind_mail(context.text, start)
    if not beside and context.text[start:end].partition(" ")[0] not in _LONG_COUNTRY_CODES:
        return None
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    valid = phonenumbers.is_possible_number(number) if beside else phonenumbers.is_valid_number(number)
    return (start, end) if valid else None


def _is_group_before(text: str, start: int) -> bool:
    """A group of a longer number goes before."""
    return text[start - 1 : start] == " " and start > 3 and text[start - 4 : start - 1].isdigit()


def _behind_mail(text: str, start: int) -> bool:
    return _MAIL_BEFORE.search(text, max(0, start - 9), start) is not None


def _trunk(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is the 0, a bracket may stand before it."""
    text = context.text
    if text[start - 1 : start] == "(":
        start -= 1
    before = context.before(start)
    if before.isalnum() or (before in _JOINED + "+" and not _labelled(text, start)):
        return None
    if _DATE.match(text, start) or _is_group_before(text, start):
        return None
    match = _TRUNK.match(text, start)
    if match is None:
        return None
    end = _end_of(text, match, _TRUNK_LONGEST)
    groups = _GROUPS.findall(text[start:end])
    digits = sum(map(len, groups))
    if not _TRUNK_SHORTEST <= digits <= _TRUNK_LONGEST or not _free_behind(context, end):
        return None
    announced = context.after(Cue.PHONE, start)
    if len(groups) == 1 and digits < _BARE_TRUNK_SHORTEST and not announced:
        return None
    if _MEASURE.match(text, end) or _someone_elses(context, start, announced):
        return None
    return start, _with_extension(text, end)


def _labelled(text: str, start: int) -> bool:
    """A word and a colon, or an equals sign, touch the number: `caller:020...`."""
    return text[start - 1] in ":=" and text[start - 2 : start - 1].isalpha()


def _grouped(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A national form that is told by its groups alone."""
    text = context.text
    if text[start - 1 : start] == "(":
        start -= 1
    before = context.before(start)
    if before.isalnum() or (before in _JOINED + "+" and not _labelled(text, start)) or not _free_behind(context, end):
        return None
    if _is_group_before(text, start):
        return None
    announced = context.after(Cue.PHONE, start)
    return None if _someone_elses(context, start, announced) else (start, _with_extension(text, end))


def _north_american(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Three, three and four digits; country code and bracket may stand before them."""
    text = context.text
    grouped = not text[start:end].isdigit()
    if text[start - 1 : start] == "(":
        start -= 1
    if (lead := _NANP_LEAD.search(text[max(0, start - 3) : start])) is not None:
        start -= len(lead[0])
    if text[start - 1 : start] == "+":
        return None
    before = context.before(start)
    if before.isalnum() or (before in _JOINED and not _labelled(text, start)) or not _free_behind(context, end):
        return None
    if _is_group_before(text, start):
        return None
    announced = context.after(Cue.PHONE, start)
    if not grouped and not announced and text[end - 10 : end - 7] not in _NANP_AREAS:
        return None
    return None if _someone_elses(context, start, announced) else (start, _with_extension(text, end))


def _announced(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Any grouping of seven digits and more, behind a word for telephones."""
    text = context.text
    digits = len(_DIGITS.findall(text[start:end]))
    if (
        not 7 <= digits <= _LONGEST
        or _DECIMAL.fullmatch(text, start, end)
        or _DATE.match(text, start)
        or not _free_behind(context, end)
    ):
        return None
    before = context.before(start)
    if before.isalnum() or before in _JOINED or context.named(Cue.OTHER_NUMBER, start):
        return None
    return start, _with_extension(text, end)


def _end_of(text: str, match: re.Match[str], most: int) -> int:
    """The end of as many whole groups of the match as have at most `most` digits (and three for a 00 or (0))."""
    end, digits = match.start(), 0
    for group in _GROUPS.finditer(text, match.start(), match.end()):
        digits += len(group[0])
        if digits > most + 3 and end > match.start():
            break
        end = group.end()
    return end + 1 if text[end : end + 1] == ")" and "(" in text[match.start() : end] and end < match.end() else end


def _free_behind(context: Context, end: int) -> bool:
    """No digit or letter goes on behind, with or without a sign between."""
    text = context.text
    behind = text[end : end + 1]
    if _EXTENSION.match(text, end):
        return True
    if behind.isalnum():
        return False
    return not (behind in tuple("-/._@:") and text[end + 1 : end + 2].isalnum())


def _someone_elses(context: Context, start: int, announced: bool) -> bool:
    """True for orders, invoices, policies ...: the nearer word says what the number is."""
    if announced:
        return False
    return any(
        context.named(cue, start)
        for cue in (Cue.OTHER_NUMBER, Cue.POLICY, Cue.CLAIM, Cue.PASSPORT, Cue.NATIONAL, Cue.CARD)
    )


def _with_bracket(context: Context, start: int, end: int) -> tuple[int, int]:
    return (start - 1, end) if context.before(start) == "(" and ")" in context.text[start:end] else (start, end)


def _with_extension(text: str, end: int) -> int:
    match = _EXTENSION.match(text, end)
    return end if match is None else match.end()


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        PiiType.PHONE,
        r"\+ ?\(?[1-9](?:[ ./()-]{0,4}[0-9]){7}",
        Strength.PROVEN,
        check=_international,
        by_start=True,
        yes=(
            "call «+49 170 1234567» now",
            "«+44 (0)20 7946 0958».",
            "«+1-415-555-2671 ext. 12»",
            "«+351 912 345 678»",
            "«+33612345678»",
        ),
        no=("+5 %", "+12:00", "1+1"),
    ),
    Pattern(
        PiiType.PHONE,
        r"\b00 ?[1-9](?:[ ./()-]{0,3}[0-9]){7}",
        Strength.SHAPE,
        check=_international,
        by_start=True,
        yes=("«001 816 905 3777»", "call «0049 30 901820»", "«00442079460958»"),
        no=("order 00442079460958", "0012"),
    ),
    Pattern(
        PiiType.PHONE,
        rf"[^0-9A-Za-z+({_JOINED}][1-9][0-9]{{0,2}} [0-9]{{2,5}}(?:[ -][0-9]{{2,6}}){{1,4}}\b",
        Strength.SHAPE,
        check=_without_plus,
        yes=(
            "Roe, jane@example.com, «44 7700 900824».",
            "or «44 20 7946 0958» (work)",
            "ou au «44 7700 900949» le soir",
        ),
        no=("policy 44 7700 900824", "12 345 678", "3 400 500 items"),
    ),
    Pattern(
        PiiType.PHONE,
        r"\b0[ )]?[1-9](?:[ ./()-]{0,3}[0-9]){7}|\b0[ )]? [1-9](?:[ ./()-]{0,3}[0-9]){7}",
        Strength.SHAPE,
        check=_trunk,
        by_start=True,
        yes=(
            "ring «020 7946 0958».",
            "«(030) 901820-12»",
            "«06 12 34 56 78»",
            "«0171/1234567»",
            "«0612345678»",
            "«04 1234 5678»",
            "an: «0 30 / 91 28 00 65».",
            "au «(0)4 91 34 31 96».",
            "caller:«020 7946 0958»|callee",
        ),
        no=(
            "on 04.10.1956",
            "08-07-2024",
            "04:18",
            "order 017-7397039-3970200",
            "01/02/03",
            "le compteur est a 04 51 27 76 88 kWh",
            "index du compteur 01 23 45 67 89",
        ),
    ),
    Pattern(
        PiiType.PHONE,
        r"\b[2-9]\d{2}\)?[ .-]{0,2}[2-9]\d{2}[ .-]?\d{4}|\b\d{3}(?:\)[ -]?|[./-])\d{3}[.-]\d{4}",
        Strength.SHAPE,
        check=_north_american,
        yes=(
            "«312/851-0003» (cell)",
            "«(415) 555-2671»",
            "«1-415-555-2671»",
            "«415.555.2671 x12»",
            "«415-555-2671x12»",
            "«4155552671»",
            "Text «415-555-2671 #228», do not",
        ),
        no=("order 4155552671", "415-555-2671-8", "#4155552671"),
    ),
)
PATTERNS += (
    Pattern(
        PiiType.PHONE,
        r"\b[1-9]\d\) ?(?:9[ .-]?)?\d{4}[ .-]\d{4}\b"  # Brazil
        r"|\b55 ?[1-9]\d ?9\d{4}[ -]?\d{4}\b"
        r"|\b[6-9]\d{4}[ -]\d{5}\b"  # India
        r"|\b1[38]00[ -]\d{3}[ -]\d{3}\b|\b0?800[ -]\d{3}[ -]\d{3,4}\b|\b1[38]00[ -]\d{2}[ -]\d{2}[ -]\d{2}\b",
        Strength.SHAPE,
        check=_grouped,
        yes=(
            "retornar no «(21) 3152-9591».",
            "ligue «(11) 98765-4321»",
            "no «5511 960738274».",
            "it is now «98330-36649».",
            "«1300 152 213».",
            "caller:«0800 741 3513»|callee",
        ),
        no=("order 98330-36649", "98330-36649-2", "AB-98330-36649"),
    ),
)
CUED: Final = (
    Cued(
        PiiType.PHONE,
        Cue.PHONE,
        expression(r"[^\d\n@]{0,40}?(?P<value>\(?\+?\d[\d ()./-]{5,24}\d)"),
        check=_announced,
        form=_FORM,
        yes=(
            "work number is 512/647-6087 (work) or «44 7700 900709» (cell)",
            "Tel.: «612 345 678»",
            "my mobile number is «98765 43210».",
            "Telefon «12 34 56 78»",
        ),
        no=("call me on 12.03.2024", "phone order 7699161"),
    ),
)
