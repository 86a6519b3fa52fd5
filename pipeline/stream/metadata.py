"""What is finished beyond the committed offset, as text in the commit's metadata.

Format 1: `1d` (deflated) or `1r` (raw, when that is shorter), then base64 of a bitmap. Bit i of the bitmap, least
significant bit of the first byte first, stands for the offset `(committed & ~7) + i`; a set bit is a finished record.
Nothing finished beyond the committed offset is the empty text. Text in any other form is not ours (an operator's tool
reset the offsets) and says nothing about what is finished.
"""

import base64
import zlib

LIMIT = 4095
"""Longest text the broker takes at its default `offset.metadata.max.bytes` of 4,096: librdkafka sends one NUL more."""

_DEFLATED = "1d"
_RAW = "1r"


def encode(finished: bytes) -> str:
    """The bitmap as text; its length is what counts against `LIMIT` (24,000 random offsets fit, long runs cost little).

    Only ASCII, so characters, UTF-16 units and bytes are the same number.
    """
    finished = finished.rstrip(b"\0")
    if not finished:
        return ""
    deflated = zlib.compress(finished, 1, -15)
    if len(deflated) < len(finished):
        return _DEFLATED + base64.b64encode(deflated).decode("ascii")
    return _RAW + base64.b64encode(finished).decode("ascii")


def decode(text: str | None) -> bytes:
    """The bitmap in `text`; empty when there is none. Raises ValueError when the text is not in this format."""
    if not text:
        return b""
    marker, body = text[:2], text[2:]
    if marker not in (_DEFLATED, _RAW):
        raise ValueError("commit metadata is not in a known format")
    try:
        packed = base64.b64decode(body, validate=True)
        return packed if marker == _RAW else zlib.decompress(packed, -15)
    except (ValueError, zlib.error):
        raise ValueError("commit metadata is damaged") from None
