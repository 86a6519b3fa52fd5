"""Decoded views of a text: what a reader, a browser or a mail program would make of it, with the way back.

A view is a shadow whose characters each know the stretch of the original shadow they came from. There is a view for
invisible characters and character escapes (HTML entities, percent, quoted-printable, backslash), decoded until
nothing changes; for values broken over two lines; and for each word that is base64 or hexadecimal of a text.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.redact.shadow import ERASED, fold

_ROUNDS: Final = 4
"""How often escapes are decoded: `&amp;#64;` takes two."""
_ESCAPE: Final = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}[0-9]{0,2});?"
    r"|(?:%[0-9A-Fa-f]{2})+"
    r"|(?:=[2-7A-F][0-9A-F])+"
    r"|=\r?\n"
    r"|\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2})"
    r"|[\x7f]+"
)
_MARKS: Final = (ERASED, "&", "%", "=", "\\")
_ENCODED_WORD: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){10,}\Z")
_TEXTUAL: Final = re.compile(r"[\t\n\r\x20-\x7e\x80-\U0010ffff]+\Z")


@dataclass(frozen=True, slots=True)
class View:
    """A decoded shadow; `starts[i]` and `ends[i]` say where its i-th character stood."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that `text[start:end]` came from."""
        return self.starts[start], self.ends[end - 1]


def decoded(shadow: str) -> Iterator[View]:
    """All views of a shadow that differ from it."""
    if (view := unescaped(shadow)) is not None:
        yield view
    yield from encoded_words(shadow)


def unescaped(shadow: str) -> View | None:
    """The view with invisible characters gone and escapes decoded; None when there are none."""
    if not any(mark in shadow for mark in _MARKS) or _ESCAPE.search(shadow) is None:
        return None
    view = View(shadow, range(len(shadow)), range(1, len(shadow) + 1))
    for _ in range(_ROUNDS):
        changed = _unescape_once(view)
        if changed is None:
            break
        view = changed
    return None if view.text == shadow else view


def _unescape_once(view: View) -> View | None:
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
            return None if made == escape else fold(made).replace(ERASED, "")
        case "\\":
            return _character(int(escape[2:].strip("{}"), 16))
        case "=" if escape[1] in "\r\n":
            return ""
        case sign:
            raw = bytes.fromhex(escape.replace(sign, ""))
            return fold(raw.decode("utf-8", "replace")).replace(ERASED, "")


def _character(code: int) -> str:
    return fold(chr(code)).replace(ERASED, "") if code <= 0x10FFFF else ""


def encoded_words(shadow: str) -> Iterator[View]:
    """A view for each word that is the base64 or hexadecimal form of a text."""
    for match in _ENCODED_WORD.finditer(shadow):
        made = _decode_word(match[0])
        if made is not None:
            size = len(made)
            yield View(made, [match.start()] * size, [match.end()] * size)


def _decode_word(word: str) -> str | None:
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
    return fold(text) if text and _TEXTUAL.match(text) else None


_URL_SAFE: Final = str.maketrans("-_", "+/")
