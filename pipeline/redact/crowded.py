"""Finds that touch other letters or digits, which may hide a value: `4111 1111 1111 1111 415-555-0134`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from pipeline.redact.scanner import Found
from pipeline.redact.views import View

_REACH: Final = 200
"""Characters on each side that are looked at again: what a value's own expressions and cues reach."""


def crowded(shadow: str, found: Sequence[Found]) -> list[tuple[int, int]]:
    """Stretches around finds that a letter or digit touches, or digits one blank away, which no find holds."""
    stretches: list[tuple[int, int]] = []
    at, size = 0, len(shadow)
    for start, end, _, _ in found:
        if start > at:
            near = shadow[start - 1]
            if near.isalnum() or (start - 1 > at and shadow[start - 2].isdigit() and near.isspace()):
                _reach(stretches, start, size)
            elif at and _begins_value(shadow, at, start):
                _reach(stretches, at, size)
        at = end
    if 0 < at < size and _begins_value(shadow, at, size):
        _reach(stretches, at, size)
    return stretches


def _reach(stretches: list[tuple[int, int]], spot: int, size: int) -> None:
    start, end = max(0, spot - _REACH), min(size, spot + _REACH)
    if stretches and start <= stretches[-1][1]:
        start = stretches.pop()[0]
    stretches.append((start, end))


def _begins_value(shadow: str, at: int, end: int) -> bool:
    """What stands behind a find goes on in it, or is a number."""
    near = shadow[at]
    if near.isalnum() or near == "+":
        return True
    return near.isspace() and at + 1 < end and (shadow[at + 1].isdigit() or shadow[at + 1] == "+")


def with_placeholders(shadow: str, found: Sequence[Found], begin: int, end: int) -> View:
    """A stretch of the shadow as it will be sent: with words for the finds that begin in it."""
    parts, starts, ends = list[str](), list[int](), list[int]()
    first = bisect_right(found, begin, key=_end_of)
    at = min(begin, found[first].start) if first < len(found) else begin
    for item in found[first:]:
        if item.start >= end:
            break
        word = f"[{item.type.value}_1]"
        parts += (shadow[at : item.start], word)
        starts += [*range(at, item.start), *([item.start] * len(word))]
        ends += [*range(at + 1, item.start + 1), *([item.end] * len(word))]
        at = item.end
    parts.append(shadow[at:end])
    starts += range(at, end)
    ends += range(at + 1, end + 1)
    return View("".join(parts), starts, ends)


def _end_of(item: Found) -> int:
    return item.end
