"""The decoded view: invisible characters gone and everything encoded decoded in its place, until nothing changes.

HTML entities and tags, percent and form encoding, quoted-printable, backslash escapes, words that are base64, base32 or
hexadecimal of a text, characters spaced out one by one, digits in words, letters among digits that look like digits.
"""

from __future__ import annotations

import base64
import binascii
import functools
import html
import re
import string
import sys
from collections.abc import Iterator
from enum import IntFlag, auto
from typing import Final

from pipeline.redact.lexicon import lines
from pipeline.redact.shadow import ERASED, expression, fold
from pipeline.redact.views import View

ROUNDS: Final = 4
"""How often is decoded: `&amp;#64;` takes two."""

_DIGIT_WORDS: Final = {word: str(digit) for digit, line in enumerate(lines("digit_words")) for word in line.split()}
_DIGIT: Final = "|".join(sorted(_DIGIT_WORDS, key=len, reverse=True))
_TIMES: Final = {word: count for count, line in enumerate(lines("times_words"), 2) for word in line.split()}
_SAID: Final = rf"(?:(?:{'|'.join(_TIMES)})[ -])?(?:{_DIGIT})"
_DIGITS_IN_WORDS: Final = expression(
    rf"(?<![A-Za-z])(?:plus[ ,-]{{1,3}})?(?:(?-i:[A-Z])[ ,.-]{{1,3}}){{0,6}}{_SAID}"
    rf"(?:[ ,.-]{{1,3}}(?:{_SAID}|\d|(?-i:[A-Z]))(?![A-Za-z])){{3,40}}",
    re.IGNORECASE,
)


class Sign(IntFlag):
    """A sign that something is encoded, and in which way."""

    ENTITY = auto()
    PERCENT = auto()
    QUOTED = auto()
    ESCAPE = auto()
    INVISIBLE = auto()
    TAG = auto()
    WORD = auto()
    SPACED = auto()
    LIKE_DIGIT = auto()
    DIGIT_WORDS = auto()
    FORM = auto()


ALL_SIGNS: Final = ~Sign(0)

_DIGITS_AND_LIKE: Final = r"(?:[OoIl]{0,20}[0-9][0-9OoIl]{0,20}|(?-i:[OI]{2,8}))"
_FORMS: Final = {
    Sign.ENTITY: r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}[0-9]{0,2});?",
    Sign.PERCENT: r"(?:%[0-9A-Fa-f]{2})+",
    Sign.QUOTED: r"(?:=[2-7A-F][0-9A-F])+|=\r?\n",
    Sign.ESCAPE: r"\\(?:\r?\n|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2})",
    Sign.INVISIBLE: r"[\x7f]+",
    Sign.TAG: r"</?[A-Za-z][A-Za-z0-9]{0,9}(?: [^<>]{0,300})?/?>",
    Sign.LIKE_DIGIT: r"(?<![A-Za-z0-9])(?:\+[OIl]{1,2}[ .-]?|(?<=\()[OIl]{1,2}[) .-]{1,2}|[Il] (?=\())?\(?"
    rf"{_DIGITS_AND_LIKE}"
    rf"(?:[ ./()-]{{1,3}}"
    rf"(?:[OIl]\)(?:{_DIGITS_AND_LIKE})?|(?<=-)[OIl](?![A-Za-z0-9])|x?{_DIGITS_AND_LIKE})){{0,11}}(?![A-Za-z0-9])",
    Sign.WORD: r"(?<![A-Za-z0-9+/_-])(?=[A-Za-z+/_-]{0,40}(?:[0-9=]|[a-z][A-Z]))[A-Za-z0-9+/_-]{11,}={0,6}",
    Sign.SPACED: r"(?<![^\s\"'(:=])(?:[!-~][ ._/-]){6,200}[!-~](?![^\s\"'),;:.])",
    Sign.DIGIT_WORDS: _DIGITS_IN_WORDS.pattern.replace("(?<![A-Za-z])", "(?<![A-Za-z0-9])", 1),
}
_FORM: Final = expression(r"[0-9A-Z]{2}[+_][0-9]{2}")
_BLANK: Final = expression(r"(?<=[0-9A-Za-z])[+_](?=[0-9A-Za-z])")
_WORD: Final = expression(r"[A-Za-z0-9+/_-]{10,}={0,6}")
_WORD_SIGNS: Final = frozenset(string.ascii_letters + string.digits + "+/_-")
_HEX: Final = expression(r"(?:0x)?(?:[0-9a-fA-F]{2}){6,}\Z")
_BASE32: Final = expression(r"[A-Z2-7]{16,}=*\Z")
_TEXTUAL: Final = expression(r"[\t\n\r\x20-\x7e\x80-\U0010ffff]+\Z")
_SPACED: Final = expression(r"[!-~](?:[ ._/-][!-~])+\Z")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_DIGIT_OR_WORD: Final = expression(r"[A-Za-z]+|\d")
_LIKE_DIGITS: Final = expression(r"[0-9OoIlx +./()-]+")
_AS_DIGITS: Final = str.maketrans("OoIl", "0011")
_FEWEST_DIGITS: Final = 3
_SHORTEST_SPACED: Final = 13
"""True digits in a number some of whose digits are letters."""
_BLOCK_TAG: Final = expression(
    r"</?(?:br|p|div|td|th|tr|li|ul|ol|h[1-6]|table|section|article|hr|pre)\b", re.IGNORECASE
)

HINTS: Final = {
    Sign.ENTITY: r"&(?:#[0-9xX]|[A-Za-z]{2,8}[0-9]{0,2};)",
    Sign.PERCENT: r"%[0-9A-Fa-f]{2}",
    Sign.QUOTED: r"=(?:40|20|2[DEB]|C[34]|E2|\r?\n)|=[2-7A-F][0-9A-F][^\n]{0,60}=[2-7A-F][0-9A-F]",
    Sign.ESCAPE: r"\\(?:[ux][0-9a-fA-F{]|\r?\n)",
    Sign.INVISIBLE: r"\x7f",
    Sign.TAG: r"</?[A-Za-z][A-Za-z0-9]{0,9}[ />]",
    Sign.SPACED: r"(?:[^ \n][ ._/-]){6}[^ \n][^A-Za-z0-9]",
    Sign.FORM: _FORM.pattern,
    Sign.LIKE_DIGIT: r"\b[OoIl]{0,3}[0-9]{1,8}[OoIl]{1,3}(?:[0-9]|\b)|\b[OoIl]{1,3}[0-9]{2}",
    Sign.DIGIT_WORDS: rf"\b{_SAID}[ ,.-]{{1,3}}{_SAID}[ ,.-]{{1,3}}{_SAID}\b",
}
"""Hyperscan expressions, caseless: the signs, but for words (LONG_WORDS, PADDED_WORD), which have to be tried."""
LONG_WORDS: Final = (
    r"\b(?:0x)?(?:[2-7C-Fc-f][0-9A-Fa-f]|0[9ADad])[0-9A-Fa-f]{10}",
    r"\b[B-Za-fw-z+/][A-Za-z+/]{0,11}[0-9][A-Za-z0-9+/]{8}",
    r"\b[0-9]{1,12}[A-Za-z][A-Za-z0-9+/]{7}",
    r"\b[B-Za-fw-z+/][A-Za-z0-9+/]{0,7}[a-z][A-Z][A-Za-z0-9+/]{5}",
    r"\b[a-fw-z][A-Z][A-Za-z0-9+/]{5}",
)
"""Hyperscan expressions of what may be the beginning of an encoded word; others begin with other letters."""

PADDED_WORD: Final = r"[A-Za-z0-9+/]{9}="
"""Hyperscan expression of the end of what may be an encoded word."""


def decoded(shadow: str) -> Iterator[View]:
    """Every decoded view of a text of which no sign is known: round by round, and with blanks for `+` and `_`."""
    last = View.of(shadow)
    for _ in range(ROUNDS):
        view = decode(last, ALL_SIGNS)
        if view is None:
            break
        yield view
        last = view
    if _FORM.search(last.text):
        yield unformed(last)


def decode(view: View, signs: Sign) -> View | None:
    """The view with everything that the signs tell of decoded once; None when that changes nothing."""
    text, parts, starts, ends, at = view.text, list[str](), list[int](), list[int](), 0
    for match in _expression(signs & ~Sign.FORM).finditer(text):
        made = _meaning(match[0])
        if made is None:
            continue
        parts += (text[at : match.start()], made)
        starts += view.starts[at : match.start()]
        ends += view.ends[at : match.start()]
        at = match.end()
        if len(made) == at - match.start():
            starts += view.starts[match.start() : at]
            ends += view.ends[match.start() : at]
        else:
            starts += [view.starts[match.start()]] * len(made)
            ends += [view.ends[at - 1]] * len(made)
    if at == 0:
        return None
    parts.append(text[at:])
    starts += view.starts[at:]
    ends += view.ends[at:]
    return View("".join(parts), starts, ends)


def unformed(view: View) -> View:
    """The view with blanks where forms write `+` and file names `_`."""
    return View(_BLANK.sub(" ", view.text), view.starts, view.ends)


@functools.cache
def _expression(signs: Sign) -> re.Pattern[str]:
    return expression("|".join(form for sign, form in _FORMS.items() if sign & signs) or r"(?!)", re.IGNORECASE)


def encoded_word(shadow: str, start: int) -> tuple[bool, int]:
    """Whether the word that begins at `start` is the encoded form of a text, and where it ends."""
    match = _WORD.match(shadow, start)
    return (False, start) if match is None else (_decode_word(match[0]) is not None, match.end())


def start_of_word(shadow: str, place: int) -> int:
    """Where the word around `place` begins."""
    while place and shadow[place - 1] in _WORD_SIGNS:
        place -= 1
    return place


def _meaning(found: str) -> str | None:
    """What something encoded stands for, folded; None when it is not encoded after all."""
    match found[0]:
        case "\x7f":
            return ""
        case "&" if len(found) > 2:
            made = html.unescape(found)
            return None if made == found else _seen(made)
        case "\\" if found[1] in "uUxX":
            code = int(found[2:].strip("{}"), 16)
            return _seen(chr(code)) if code <= sys.maxunicode else ""
        case "<" if (found[-1] == ">" and " ._/-".find(found[1]) < 0) or found[:2] == "</":
            return "\n" if _BLOCK_TAG.match(found) else ""
        case "\\" if found[1:] in ("\n", "\r\n"):
            return ""
        case "=" if found[1:] in ("\n", "\r\n"):
            return ""
        case "%" | "=" if len(found) % 3 == 0 and found[1] not in " ._/-":
            return _seen(bytes.fromhex(found.replace(found[0], "")).decode("utf-8", "replace"))
    if len(found) >= _SHORTEST_SPACED and _SPACED.match(found):
        return found[::2]
    if _LIKE_DIGITS.fullmatch(found) and (made := found.translate(_AS_DIGITS)) != found:
        return None if sum(map(str.isdigit, found)) < _FEWEST_DIGITS else made
    if _DIGITS_IN_WORDS.fullmatch(found):
        return _said(found)
    return _decode_word(found)


def _said(words_: str) -> str:
    """`plus four double one` as `+411`; letters stay."""
    made, times = list[str](), 1
    for word in _DIGIT_OR_WORD.findall(words_):
        low = word.lower()
        if low in _TIMES:
            times = _TIMES[low]
            continue
        made.append(("+" if low == "plus" else _DIGIT_WORDS.get(low, word)) * times)
        times = 1
    return "".join(made)


def _seen(text: str) -> str:
    return fold(text).replace(ERASED, "")


def _decode_word(word: str) -> str | None:
    """The text whose hexadecimal, base32 or base64 form the word is."""
    try:
        if word[0] in _HEX_BEGINS and _HEX.match(word):
            raw = bytes.fromhex(word.removeprefix("0x"))
        elif word.isupper() and _BASE32.match(word):
            trimmed = word.rstrip("=")
            raw = base64.b32decode(trimmed + "=" * (-len(trimmed) % 8))
        elif word[:2] in _BASE64_BEGINS:
            trimmed = word.rstrip("=").translate(_URL_SAFE)
            raw = binascii.a2b_base64(trimmed + "=" * (-len(trimmed) % 4), strict_mode=True)
        else:
            return None
        text = raw.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _seen(text) if text and _TEXTUAL.match(text) else None


def _base64_beginnings() -> frozenset[str]:
    """The first two letters of base64 of all texts: what their first six bits and the next four may be."""
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    lower = {sign: value for value, sign in enumerate(signs)} | {"+": 62, "-": 62, "/": 63, "_": 63}
    return frozenset(
        one + two
        for one, high in lower.items()
        for two, low in lower.items()
        if _begins_text(high << 2 | low >> 4, low)
    )


def _begins_text(byte: int, low: int) -> bool:
    """A printable character of ASCII, a blank or a line end; or the first byte of UTF-8 and half of the second."""
    return byte in (9, 10, 13) or 0x20 <= byte <= 0x7E or (0xC2 <= byte <= 0xF4 and low & 0b1100 == 0b1000)


_HEX_BEGINS: Final = frozenset("0123456789abcdefABCDEF")
_BASE64_BEGINS: Final = _base64_beginnings()
