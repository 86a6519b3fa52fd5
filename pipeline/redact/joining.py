"""Joined views: the surroundings of line breaks that may have cut a value, with the lines put together."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pipeline.redact.lexicon import words
from pipeline.redact.shadow import expression
from pipeline.redact.views import View

_BREAK: Final = expression(r"\n[>|]{0,3}[ \t]{0,8}(?=[A-Za-z0-9@._/:()-])")
_MOST_BLANKS: Final = 2
"""Before a break."""
_MAY_BE_CUT: Final = frozenset(string.ascii_letters + string.digits + "@._/:+)-")
"""What stands before a break that may have cut a value."""
_MAY_FOLLOW_CUT: Final = frozenset("\r= ")
"""What mail programs put between that and the break."""
_REACH: Final = 64
"""How far around a broken line is looked: longer than any value of which a part must be on both lines."""
_MOST: Final = 64
"""Breaks that are put together at once: a value on more lines than this is not looked for."""
_NUMERIC: Final = "0123456789()"
_MARKS: Final = frozenset(string.digits + "@_")
_MARK: Final = expression("[0-9@_]")
_COMPLETE_ADDRESS: Final = expression(r"@[A-Za-z0-9.-]{1,80}\.([A-Za-z]{2,24})\Z")
_SHORTEST_WORD: Final = 5
"""Letters of a line's first word in capitals that may be the rest of a key: shorter ones are abbreviations."""
_TOP_LEVEL: Final = words("top_level_domains")


class _Cut(NamedTuple):
    """A break that may have cut a value; `blank`: it may also stand for the blank between two groups of a number."""

    left: int
    right: int
    blank: bool


def joined(shadow: str) -> Iterator[View]:
    """Views of the surroundings of each such break; breaks close to one another are put together in one view."""
    near: list[_Cut] = []
    for cut in _cuts(shadow):
        if near and (cut.left - near[-1].right > _REACH or len(near) == _MOST):
            yield from _around(shadow, near)
            near = []
        near.append(cut)
    if near:
        yield from _around(shadow, near)


def _around(shadow: str, cuts: Sequence[_Cut]) -> Iterator[View]:
    begin, end = max(0, cuts[0].left - _REACH), min(cuts[-1].right + _REACH, len(shadow))
    for sign in ("", " ") if any(cut.blank for cut in cuts) else ("",):
        parts, starts, seams, at = list[str](), list[int](), list[int](), begin
        for left, right, _ in cuts:
            parts += (shadow[at:left], sign)
            starts += [*range(at, left), *([left] * len(sign))]
            seams.append(len(starts))
            at = right
        parts.append(shadow[at:end])
        starts += range(at, end)
        yield View("".join(parts), starts, seams=tuple(seams))


def _cuts(shadow: str) -> Iterator[_Cut]:
    for match in _BREAK.finditer(shadow):
        at, right = match.span()
        line_end = left = at
        if at and shadow[at - 1] in _MAY_FOLLOW_CUT:
            line_end = left = at - (shadow[at - 1] == "\r")
            left -= shadow[left - 1 : left] == "="
            for _ in range(_MOST_BLANKS):
                left -= shadow[left - 1 : left] == " "
        if left and shadow[left - 1] in _MAY_BE_CUT:
            blank = _kind(shadow, left, right, left < line_end, at + 1)
            if blank is not None:
                yield _Cut(left, right, blank)


def _kind(shadow: str, left: int, right: int, soft: bool, line: int) -> bool | None:
    """Whether the break may stand for a blank, too; None when it is a line's end and nothing else.

    Soft and indented breaks, where the line before is not indented alike, are made by mail programs: they cut anything.
    Plain ones cut numbers, and addresses or keys that go on. `line`: where the next line begins, `right` its text.
    """
    last, first = shadow[left - 1], shadow[right]
    numbers = last in _NUMERIC and first in _NUMERIC
    if numbers and (last in string.digits or first in string.digits):
        return True
    if _MARK.search(shadow, max(0, left - _REACH), right + _REACH) is None:
        return None
    head = shadow[max(0, left - _REACH) : left].rsplit(None, 1)[-1]
    tail = shadow[right : right + _REACH].split(None, 1)[0]
    in_head, in_tail = not _MARKS.isdisjoint(head), not _MARKS.isdisjoint(tail)
    if not (in_head or in_tail):
        return None
    if numbers or soft or (line < right and not _same_lead(shadow, left, shadow[line:right])):
        return numbers
    if (address := _COMPLETE_ADDRESS.search(head)) is not None and address[1].lower() in _TOP_LEVEL:
        return None
    if in_head and in_tail:
        return False
    if head[-1] == ".":
        return False if "@" in head and tail.islower() else None
    if head[-1] in "@_/:-" or tail[0] in "@._/-":
        return False
    return False if _goes_on(head, tail) else None


def _same_lead(shadow: str, left: int, lead: str) -> bool:
    return shadow.startswith(lead, shadow.rfind("\n", 0, left) + 1)


def _goes_on(head: str, tail: str) -> bool:
    """An address or key in one case throughout: a name on its own line is neither."""
    if "@" in tail:
        return head.islower() or (head.isupper() and tail.isupper())
    if "@" in head:
        return tail.islower()
    return (tail.isupper() and len(tail) > _SHORTEST_WORD) or (head.isupper() and not _MARKS.isdisjoint(tail))
