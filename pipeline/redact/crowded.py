"""Finds that touch other letters or digits, which may hide a value: `4111 1111 1111 1111 415-555-0134`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.redact.scanner import Found
from pipeline.redact.views import View


def crowded(shadow: str, found: Sequence[Found]) -> bool:
    """True when a letter or digit touches a find, or digits stand one blank away, and no find holds them."""
    at, size = 0, len(shadow)
    for start, end, _, _ in found:
        if start > at:
            near = shadow[start - 1]
            if near.isalnum() or (start - 1 > at and shadow[start - 2].isdigit() and near.isspace()):
                return True
            if at and _begins_value(shadow, at, start):
                return True
        at = end
    return 0 < at < size and _begins_value(shadow, at, size)


def _begins_value(shadow: str, at: int, end: int) -> bool:
    """What stands behind a find goes on in it, or is a number."""
    near = shadow[at]
    if near.isalnum() or near == "+":
        return True
    return near.isspace() and at + 1 < end and (shadow[at + 1].isdigit() or shadow[at + 1] == "+")


def with_placeholders(shadow: str, found: Sequence[Found]) -> View:
    """The shadow as it will be sent: with words for the finds."""
    parts, starts, ends, at = list[str](), list[int](), list[int](), 0
    for item in found:
        word = f"[{item.type.value}_1]"
        parts += (shadow[at : item.start], word)
        starts += [*range(at, item.start), *([item.start] * len(word))]
        ends += [*range(at + 1, item.start + 1), *([item.end] * len(word))]
        at = item.end
    parts.append(shadow[at:])
    starts += range(at, len(shadow))
    ends += range(at + 1, len(shadow) + 1)
    return View("".join(parts), starts, ends)
