"""The decoded view: invisible characters gone and everything encoded decoded in its place, until nothing changes.

HTML entities and tags, percent and form encoding, quoted-printable, backslash escapes, words that are base64, base32 or
hexadecimal of a text, characters spaced out one by one, digits in words, letters among digits that look like digits.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import sys
from typing import Final

from pipeline.redact.lexicon import lines
from pipeline.redact.shadow import ERASED, fold
from pipeline.redact.views import View

_ROUNDS: Final = 4
"""How often is decoded: `&amp;#64;` takes two."""

_DIGIT_WORDS: Final = {word: str(digit) for digit, line in enumerate(lines("digit_words")) for word in line.split()}
_DIGIT: Final = "|".join(sorted(_DIGIT_WORDS, key=len, reverse=True))
_DIGITS_IN_WORDS: Final = re.compile(
    rf"(?<![A-Za-z])(?:{_DIGIT})(?:[ ,.-]{{1,3}}(?:{_DIGIT}|\d)(?![A-Za-z])){{3,40}}", re.IGNORECASE
)
_ENCODED: Final = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}[0-9]{0,2});?"
    r"|(?:%[0-9A-Fa-f]{2})+"
    r"|(?:=[2-7A-F][0-9A-F])+"
    r"|=\r?\n"
    r"|\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2})"
    r"|[\x7f]+"
    r"|</?[A-Za-z][A-Za-z0-9]{0,9}(?: [^<>]{0,300})?/?>"
    r"|(?<![A-Za-z0-9+/_-])(?=[A-Za-z+/_-]{0,40}(?:[0-9=]|[a-z][A-Z]))[A-Za-z0-9+/_-]{11,}={0,6}"
    r"|(?<![^\s\"'(:=])(?:[!-~][ ._/-]){6,200}[!-~](?![^\s\"'),;:.])"
    r"|(?<=[0-9])[OoIl](?=[0-9])"
    rf"|{_DIGITS_IN_WORDS.pattern.replace('(?<![A-Za-z])', '(?<![A-Za-z0-9])', 1)}",
    re.IGNORECASE,
)
_FORM: Final = re.compile(r"[0-9A-Z]{2}[+_][0-9]{2}")
_BLANK: Final = re.compile(r"(?<=[0-9A-Za-z])[+_](?=[0-9A-Za-z])")
_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]{10,}={0,6}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){6,}\Z")
_BASE32: Final = re.compile(r"[A-Z2-7]{16,}=*\Z")
_TEXTUAL: Final = re.compile(r"[\t\n\r\x20-\x7e\x80-\U0010ffff]+\Z")
_SPACED: Final = re.compile(r"[!-~](?:[ ._/-][!-~])+\Z")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_DIGIT_OR_WORD: Final = re.compile(r"[A-Za-z]+|\d")
_LIKE_DIGITS: Final = {"O": "0", "o": "0", "I": "1", "l": "1"}
_BLOCK_TAG: Final = re.compile(
    r"</?(?:br|p|div|td|th|tr|li|ul|ol|h[1-6]|table|section|article|hr|pre)\b", re.IGNORECASE
)

HINTS: Final = (
    r"&(?:#[0-9xX]|[A-Za-z]{2,8}[0-9]{0,2};)",
    r"%[0-9A-Fa-f]{2}",
    r"=[2-7A-F][0-9A-F]",
    r"\\[ux][0-9a-fA-F{]",
    r"\x7f",
    r"</?[A-Za-z][A-Za-z0-9]{0,9}[ />]",
    r"(?:[^ \n][ ._/-]){6}[^ \n][^A-Za-z0-9]",
    _FORM.pattern,
    r"[0-9][OoIl][0-9]",
    rf"\b(?:{_DIGIT})[ ,.-]{{1,3}}(?:{_DIGIT})[ ,.-]{{1,3}}(?:{_DIGIT})\b",
)
"""Hyperscan expressions, caseless, without any of which (and of LONG_WORD) nothing is encoded."""
LONG_WORD: Final = (
    r"\b[A-Za-z+/]{0,12}[0-9][A-Za-z0-9+/]{8}|\b[A-Za-z0-9+/]{0,12}[a-z][A-Z][A-Za-z0-9+/]{5}|\b[A-Za-z0-9+/]{10,24}="
)
"""Hyperscan expression of what may be the beginning of an encoded word."""


def decoded(shadow: str) -> list[View]:
    """The decoded view, and one more where blanks may be written as `+` or `_`; none where they change nothing."""
    view = View.of(shadow)
    for _ in range(_ROUNDS):
        changed = _decode_once(view)
        if changed is None:
            break
        view = changed
    views = [] if view.text == shadow else [view]
    if _FORM.search(view.text):
        views.append(View(_BLANK.sub(" ", view.text), view.starts, view.ends))
    return views


def is_encoded_word(shadow: str, start: int) -> bool:
    """True when the word that begins at `start` is the encoded form of a text."""
    match = _WORD.match(shadow, start)
    return match is not None and _decode_word(match[0]) is not None


def _decode_once(view: View) -> View | None:
    text, parts, starts, ends, at = view.text, list[str](), list[int](), list[int](), 0
    for match in _ENCODED.finditer(text):
        made = _meaning(match[0])
        if made is None:
            continue
        parts += (text[at : match.start()], made)
        starts += view.starts[at : match.start()]
        ends += view.ends[at : match.start()]
        starts += [view.starts[match.start()]] * len(made)
        ends += [view.ends[match.end() - 1]] * len(made)
        at = match.end()
    if at == 0:
        return None
    parts.append(text[at:])
    starts += view.starts[at:]
    ends += view.ends[at:]
    return View("".join(parts), starts, ends)


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
        case "=" if found[1:] in ("\n", "\r\n"):
            return ""
        case "%" | "=" if len(found) % 3 == 0 and found[1] not in " ._/-":
            return _seen(bytes.fromhex(found.replace(found[0], "")).decode("utf-8", "replace"))
    if len(found) == 1:
        return _LIKE_DIGITS.get(found)
    if _SPACED.match(found):
        return found[::2]
    if _DIGITS_IN_WORDS.fullmatch(found):
        return "".join(_DIGIT_WORDS.get(word, word) for word in _DIGIT_OR_WORD.findall(found.lower()))
    return _decode_word(found)


def _seen(text: str) -> str:
    return fold(text).replace(ERASED, "")


def _decode_word(word: str) -> str | None:
    """The text whose hexadecimal, base32 or base64 form the word is."""
    try:
        if _HEX.match(word):
            raw = bytes.fromhex(word)
        elif _BASE32.match(word):
            trimmed = word.rstrip("=")
            raw = base64.b32decode(trimmed + "=" * (-len(trimmed) % 8))
        else:
            trimmed = word.rstrip("=").translate(_URL_SAFE)
            raw = base64.b64decode(trimmed + "=" * (-len(trimmed) % 4), validate=True)
        text = raw.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _seen(text) if text and _TEXTUAL.match(text) else None
