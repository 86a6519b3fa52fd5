"""A text's shadow: as many characters, all of them Latin-1, one look for everything that looks or reads alike.

Patterns run over the shadow and its offsets are those of the text. Letters lose their accents and become ASCII,
digits of all scripts become 0-9, all spaces, dashes and quotes one each, look-alike letters the Latin one.
Characters that a reader does not see become ERASED; what has no likeness becomes OTHER. One character is one byte,
so the byte offsets of the scanner are character offsets.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Final

ERASED: Final = "\x7f"
"""Stands for an invisible character (zero-width, soft hyphen, combining mark, direction mark)."""
OTHER: Final = "\xa4"
"""Stands for a letter or sign without a Latin likeness (other scripts, emoji, lone surrogates)."""

_LIKENESS: Final = {
    # Cyrillic and Greek letters that are drawn like Latin ones
    **dict(zip("АВЕЅІЈКМНОРСТХУԌԚԜЗЬ", "ABESIJKMHOPCTXYGQWZb", strict=True)),
    **dict(zip("аеѕіјорсхуһԁԛԝкмтпгвѵӏ", "aesijopcxyhdqwkmtnrvvl", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("αεικνορτυχγω", "aeiknoptuxyw", strict=True)),
    # Latin letters that do not decompose
    **dict(zip("łŁđĐħĦŧŦøØıſƒŋŊəƏœŒĸȷɡɑɩʟʀɴɪʏ", "lLdDhHtToOisfnNeEoOkjgaiLRNIY", strict=True)),
    **dict(zip("ßÆæÐðÞþ×÷", "sAaDdTtx/", strict=True)),
    # signs
    **dict(zip("‐‑‒–—―−﹣－⁃˗➖", "-" * 12, strict=True)),
    **dict(zip("‘’‚‛′´`ʼʹ＇", "'" * 10, strict=True)),
    **dict(zip("“”„‟″«»＂", '"' * 8, strict=True)),
    **dict(zip("․‧∙•·。｡．", "." * 8, strict=True)),
    **dict(zip("⁄∕÷", "///", strict=True)),
    **dict(zip("º°ª", "ooa", strict=True)),
    **dict(zip("¡¿", "  ", strict=True)),
    **dict(zip("ⓐ⒜", "aa", strict=True)),
    "\u2028": "\n",
    "\u2029": "\n",
    "\x85": "\n",
    "\x7f": ERASED,
}
_INVISIBLE_CATEGORIES: Final = frozenset({"Cf", "Mn", "Me"})
_INVISIBLE: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def fold(text: str) -> str:
    """The shadow of a text: `len(fold(text)) == len(text)` for any text, lone surrogates included. Linear time."""
    if text.isascii():
        return text
    return text.encode("latin-1", _HANDLER).translate(_LATIN).decode("latin-1")


def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A compiled expression over shadows: their letters and digits are ASCII's, and so are the expression's."""
    return re.compile(pattern, flags | re.ASCII)


def _likeness(char: str) -> str:
    """One character's shadow."""
    if (found := _LIKENESS.get(char)) is not None:
        return found
    if char in _INVISIBLE:
        return ERASED
    category = unicodedata.category(char)
    if category in _INVISIBLE_CATEGORIES:
        return ERASED
    if category == "Zs":
        return " "
    if (digit := unicodedata.digit(char, None)) is not None:
        return str(digit)
    parts = unicodedata.normalize("NFKD", char)
    for part in parts.lstrip("(") or parts:
        if part.isascii():
            return part
        if part in _LIKENESS:
            return _LIKENESS[part]
        break
    if category == "Pd":
        return "-"
    return char if ord(char) < 256 and category[0] != "L" else OTHER


class _Likenesses(dict[str, int]):
    """Every character's shadow as a byte, worked out at first sight: at most as many as Unicode has."""

    def __missing__(self, char: str) -> int:
        found = self[char] = ord(_likeness(char))
        return found


_LATIN: Final = bytes(ord(_likeness(chr(code))) if code > 126 else code for code in range(256))
_HANDLER: Final = "pipeline.redact.shadow"
_seen: Final = _Likenesses()


def _unencodable(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return bytes(map(_seen.__getitem__, error.object[error.start : error.end])), error.end


codecs.register_error(_HANDLER, _unencodable)
