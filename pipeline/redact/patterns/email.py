"""E-mail addresses, plain and spelled out (`jane (at) example dot com`)."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.lexicon import words
from pipeline.redact.patterns.pattern import Context, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_LONGEST_LOCAL: Final = 64
"""RFC 5321, 4.5.3.1.1."""
_LOCAL_REVERSED: Final = expression(r"[A-Za-z0-9._%+'!#$&*/=?^{|}~-]{1,64}")
_DOMAIN: Final = expression(r"@(?:[A-Za-z0-9_-]{1,63}\.){1,6}[A-Za-z][A-Za-z0-9-]{1,23}|@\[[0-9a-fA-F:.]{3,45}\]")

_AT_WORDS: Final = ("at", "arobase", "arrobase", "arroba", "chiocciola", "apenstaartje", "malpa", "snabel-a", "aet")
_DOT_WORDS: Final = ("dot", "punkt", "point", "punto", "ponto", "punt", "kropka", "prick", "period")
_AT: Final = "|".join(_AT_WORDS)
_DOT: Final = rf"(?:{'|'.join(_DOT_WORDS)}|\.)"
_DOT_REVERSED: Final = rf"(?:{'|'.join(word[::-1] for word in _DOT_WORDS)}|\.)"
_BRACKETED_DOT: Final = (
    rf" {{0,2}}[(\[{{<*~|/\"'] ?{_DOT} ?[)\]}}>*~|/\"'] {{0,2}}| {{1,2}}{_DOT} {{1,2}}|[_-]dot[_-]|\."
)
_BRACKETED_DOT_REVERSED: Final = (
    rf" {{0,2}}[)\]}}>*~|/\"'] ?{_DOT_REVERSED} ?[(\[{{<*~|/\"'] {{0,2}}| {{1,2}}{_DOT_REVERSED} {{1,2}}|[_-]tod[_-]|\."
)
_SPELLED_LOCAL: Final = expression(
    rf"[A-Za-z0-9_%+-]{{1,64}}(?:(?:{_BRACKETED_DOT_REVERSED})[A-Za-z0-9_%+-]{{1,64}}){{0,4}}", re.IGNORECASE
)
_SPELLED_DOMAIN: Final = expression(
    rf"(?P<first>[A-Za-z0-9-]{{1,63}})(?P<rest>(?:(?:{_BRACKETED_DOT})[A-Za-z0-9-]{{1,63}}){{1,5}})", re.IGNORECASE
)
_LAST_LABEL: Final = expression(r"[A-Za-z]{2,24}\Z")
_TOP_LEVEL: Final = words("top_level_domains")
_PLAIN_DOT: Final = expression(r"\.(?! )")
_REACH: Final = 160


def _email(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is the last character before the sign."""
    text, sign = context.text, start + 1
    local = _LOCAL_REVERSED.match(text[max(0, sign - _LONGEST_LOCAL) : sign][::-1])
    domain = _DOMAIN.match(text, sign)
    if local is None or domain is None:
        return None
    return sign - len(local[0].rstrip("'=/{.!?&|*")), domain.end()


def _spelled(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """`start` is the last character of the local part, `end` behind the first of the domain."""
    text = context.text
    domain = _SPELLED_DOMAIN.match(text, end - 1, end + _REACH)
    local = _SPELLED_LOCAL.match(text[max(0, start + 1 - _REACH) : start + 1][::-1])
    if domain is None or local is None:
        return None
    last = _LAST_LABEL.search(domain[0])
    if last is None or last[0].lower() not in _TOP_LEVEL:
        return None
    sign = text[start + 1 : end - 1]
    if sign.strip().isalpha() and not (sign.strip().isupper() or _unmistakable(local[0], domain["rest"])):
        return None
    begin, stop = start + 1 - len(local[0]), domain.end()
    return _without_sentence(text, begin, stop, start)


def _unmistakable(local_reversed: str, rest: str) -> bool:
    """A plain `at` between words is an address only if a dot is spelled out, or the local part is no word."""
    return _PLAIN_DOT.sub("", rest) != rest.replace(".", "") or not local_reversed.isalpha() or " " in rest


def _without_sentence(text: str, begin: int, stop: int, start: int) -> tuple[int, int]:
    """Cuts words of the sentence that ended or began with a spaced full stop: `... hub . mail j.roe @ x . com`."""
    head = text[begin : start + 1]
    if ". " in head and " ." not in head:
        begin += head.rindex(". ") + 2
    return begin, stop


PATTERNS: Final = (
    Pattern(
        PiiType.EMAIL,
        r"[A-Za-z0-9._%+!#$&*/=?^{|}~'-]@[A-Za-z0-9\[]",
        Strength.PROVEN,
        check=_email,
        by_start=True,
        yes=(
            "write to «jane.roe+news@example.co.uk».",
            "Jane <«JROE@EXAMPLE.ORG»>",
            "(«o'neil_7@mail.example.com»)",
            "mailto:«j@x.io»?subject=hi",
        ),
        no=("5 @ 3.50 each", "follow @example", "user@localhost"),
    ),
    Pattern(
        PiiType.EMAIL,
        rf"[A-Za-z0-9] {{0,2}}[\[({{<*~|/\"'] ?(?:{_AT}|@|a) ?[\])}}>*~|/\"'] {{0,2}}[A-Za-z0-9]"
        rf"|[A-Za-z0-9] {{1,2}}(?:{_AT}|@) {{1,2}}[A-Za-z0-9]"
        r"|[A-Za-z0-9](?: @|@ {1,2}|_at_|-at-)[A-Za-z0-9]",
        Strength.CUED,
        check=_spelled,
        caseless=True,
        yes=(
            "mail «jane [at] example [dot] org» please",
            "mail «jane.roe (at) example.org» please",
            "mail «jane.roe (a) example.org» please",
            "mail «jane*dot*roe*at*example*dot*org» please",
            "mail «jane dot roe at example dot com»",
            "mail «JANE AT EXAMPLE DOT COM»",
            "mail «jane_roe @ example . co . uk».",
            "Adresse: «jane punkt roe at example punkt de»",
        ),
        no=("section 4 (a) tells", "We met at noon. Then left", "look at example.com for more", "2 items @ 3.50"),
    ),
)
