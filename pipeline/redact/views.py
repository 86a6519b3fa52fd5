"""Decoded views of a text: what a reader, a browser or a mail program would make of it, with the way back.

A view is a shadow whose characters each know the stretch of the original shadow they came from. One view has invisible
characters removed and everything encoded decoded in its place (HTML entities, percent, quoted-printable, backslash
escapes, words that are base64 or hexadecimal of a text, numbers in words), until nothing changes. The others put
together what was broken over two lines.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.redact.shadow import ERASED, fold

_ROUNDS: Final = 4
"""How often is decoded: `&amp;#64;` takes two."""
_ESCAPE: Final = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}[0-9]{0,2});?"
    r"|(?:%[0-9A-Fa-f]{2})+"
    r"|(?:=[2-7A-F][0-9A-F])+"
    r"|=\r?\n"
    r"|\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2})"
    r"|[\x7f]+"
    r"|(?<![A-Za-z0-9+/_-])(?=[A-Za-z+/_-]{0,40}[0-9=])[A-Za-z0-9+/_-]{11,}={0,2}"
)
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){6,}\Z")
_TEXTUAL: Final = re.compile(r"[\t\n\r\x20-\x7e\x80-\U0010ffff]+\Z")
_URL_SAFE: Final = str.maketrans("-_", "+/")

ENCODED: Final = r"&(?:#[0-9xX]|[A-Za-z]{2,8}[0-9]{0,2};)|%[0-9A-Fa-f]{2}|=[2-7A-F][0-9A-F]|\\[ux][0-9a-fA-F{]|\x7f"
"""Hyperscan expression of the marks that escapes have."""
LONG_WORD: Final = r"\b[A-Za-z+/]{0,12}[0-9][A-Za-z0-9+/]{8}|\b[A-Za-z0-9+/]{0,12}[a-z][A-Z][A-Za-z0-9+/]{8}"
"""Hyperscan expression of what may be the beginning of a word in base64 or hexadecimal."""
_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")

_BREAK: Final = re.compile(
    r"(?<=[A-Za-z0-9@._/:+)-])(?P<soft>=?)\r?\n(?P<lead>[>|]{0,3}[ \t]{0,8})(?=[A-Za-z0-9@._/:()-])"
)
_ENDS_A_LINE: Final = frozenset(["", "\n", ",", "!", "?", ";"])
_BEGINS_NOTHING: Final = frozenset(["", "\n", "\r"])
"""What stands before or behind most line breaks, none of which can have cut a value."""
_REACH: Final = 64
"""How far around a broken line is looked: longer than any value of which a part must be on both lines."""
_NUMERIC: Final = "0123456789()"
_MARKED: Final = re.compile(r"[0-9@_]")
_COMPLETE_ADDRESS: Final = re.compile(
    r"@[A-Za-z0-9.-]{1,80}\.(?:com|org|net|edu|gov|info|io|biz|eu|de|at|ch|fr|be|lu|nl|es|pt|br|it|uk|ie|us|ca"
    r"|au|nz|pl|cz"
    r"|se|no|dk|fi|in|jp|mx|ar|cl|co|me|app|dev|cloud|online|tech|ai)\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class View:
    """A decoded shadow; `starts[i]` and `ends[i]` say where its i-th character stood.

    Only finds that reach over `seam` (where two lines were put together; -1: anywhere) say anything new.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    seam: int = -1

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that `text[start:end]` came from."""
        return self.starts[start], self.ends[end - 1]


def decoded(shadow: str) -> View | None:
    """The view with invisible characters gone and everything decoded; None when it would be the shadow itself."""
    view = View(shadow, range(len(shadow)), range(1, len(shadow) + 1))
    for _ in range(_ROUNDS):
        changed = _decode_once(view)
        if changed is None:
            break
        view = changed
    return None if view.text == shadow else view


def is_encoded_word(shadow: str, start: int) -> bool:
    """True when the word that begins at `start` is the base64 or hexadecimal form of a text."""
    match = _WORD.match(shadow, start)
    return match is not None and _decode_word(match[0]) is not None


def joined(shadow: str) -> Iterator[View]:
    """Views of the surroundings of each line break that may have cut a value in two."""
    at = shadow.find("\n")
    while at >= 0:
        if shadow[at - 1 : at] not in _ENDS_A_LINE and shadow[at + 1 : at + 2] not in _BEGINS_NOTHING:
            match = _BREAK.match(
                shadow, at - (shadow[at - 1] == "\r") - (shadow[at - 1 - (shadow[at - 1] == "\r")] == "=")
            )
            if match is not None:
                yield from _around(shadow, match)
        at = shadow.find("\n", at + 1)


def _around(shadow: str, match: re.Match[str]) -> Iterator[View]:
    left, right = match.span()
    begin, end = max(0, left - _REACH), min(right + _REACH, len(shadow))
    for sign in _glue(shadow, match):
        starts = [*range(begin, left), *([left] * len(sign)), *range(right, end)]
        text = shadow[begin:left] + sign + shadow[right:end]
        yield View(text, starts, [start + 1 for start in starts], left - begin)


def _glue(shadow: str, match: re.Match[str]) -> tuple[str, ...]:
    """What the break may stand for: nothing inside a value, a blank between its groups, or (empty) a line's end.

    Soft and indented breaks, where the line before is not indented alike, are made by mail programs: they cut anything.
    Plain ones cut numbers, and addresses or keys that go on.
    """
    left, right = match.span()
    head = shadow[max(0, left - _REACH) : left].rsplit(None, 1)[-1]
    tail = shadow[right : right + _REACH].split(None, 1)[0]
    in_head, in_tail = _MARKED.search(head) is not None, _MARKED.search(tail) is not None
    if not (in_head or in_tail):
        return ()
    numbers = head[-1] in _NUMERIC and tail[0] in _NUMERIC
    if match["soft"] or (match["lead"] and not _same_lead(shadow, left, match["lead"])):
        return ("", " ") if numbers else ("",)
    if "@" in head and _COMPLETE_ADDRESS.search(head):
        return ()
    if numbers:
        return ("", " ")
    if in_head and in_tail:
        return ("",)
    if head[-1] == ".":
        return ("",) if "@" in head and tail.islower() else ()
    if head[-1] in "@_/:-" or tail[0] in "@._/-":
        return ("",)
    return ("",) if _goes_on(head, tail) else ()


def _same_lead(shadow: str, left: int, lead: str) -> bool:
    return shadow.startswith(lead, shadow.rfind("\n", 0, left) + 1)


def _goes_on(head: str, tail: str) -> bool:
    """An address or key begun in lower case or all capitals: a name on its own line is neither."""
    if "@" in tail:
        return head.islower()
    if "@" in head:
        return tail.islower()
    return tail.isupper() or (head.isupper() and _MARKED.search(tail) is not None)


def _decode_once(view: View) -> View | None:
    text, parts, starts, ends, at = view.text, list[str](), list[int](), list[int](), 0
    for match in _ESCAPE.finditer(text):
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


def _meaning(escape: str) -> str | None:
    """What an escape stands for, folded; None when it is none after all."""
    match escape[0]:
        case "\x7f":
            return ""
        case "&":
            made = html.unescape(escape)
            return None if made == escape else _seen(made)
        case "\\":
            code = int(escape[2:].strip("{}"), 16)
            return _seen(chr(code)) if code <= sys.maxunicode else ""
        case "=" if escape[1] in "\r\n":
            return ""
        case "%" | "=":
            return _seen(bytes.fromhex(escape.replace(escape[0], "")).decode("utf-8", "replace"))
        case _:
            return _decode_word(escape)


def _seen(text: str) -> str:
    return fold(text).replace(ERASED, "")


def _decode_word(word: str) -> str | None:
    """The text whose base64 or hexadecimal form the word is."""
    if _HEX.match(word):
        raw = bytes.fromhex(word)
    else:
        trimmed = word.rstrip("=").translate(_URL_SAFE)
        if len(trimmed) % 4 == 1:
            return None
        try:
            raw = base64.b64decode(trimmed + "=" * (-len(trimmed) % 4), validate=True)
        except binascii.Error:
            return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return _seen(text) if text and _TEXTUAL.match(text) else None
