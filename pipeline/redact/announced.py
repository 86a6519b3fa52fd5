"""Values that a cue announces: behind it, as further items of a list behind it, or before it."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pipeline.redact.cues import Cue, words_of
from pipeline.redact.patterns.link import NEXT, RELATION, answer
from pipeline.redact.patterns.pattern import Context, Cued
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_REACH_BEHIND: Final = 90
"""How far behind a cue there is a digit, if a value is to be looked for."""
_DIGIT: Final = expression(r"\d")
_MAY_BE_LETTERS: Final = frozenset({Cue.BIRTH, Cue.PASSPORT})
_LETTERS: Final = expression(r"teen|ty|thousand|hundert|tausend|mil|[A-Z]{9}")
"""Signs of a date in words, and of a German passport without digits."""
_MOST_ITEMS: Final = 200
"""Of one list."""
_REACH_BEFORE: Final = 70
"""How far before its cue a value begins at most, that the cue names afterwards."""


class Announced(NamedTuple):
    """A stretch and the entry that it was found by."""

    start: int
    end: int
    entry: Cued


def announced(
    context: Context,
    cues: Mapping[Cue, Sequence[int]],
    entries: Mapping[Cue, Sequence[Cued]],
    known: Container[tuple[int, int, PiiType]] = (),
) -> Iterator[Announced]:
    """What stands behind or before each cue, once for every cue that announces it; `known`: finds not to repeat."""
    text = context.text
    for cue, places in cues.items():
        here = entries.get(cue)
        if here is None:
            continue
        for place in places:
            near = _DIGIT.search(text, place, place + _REACH_BEHIND) is not None or (
                cue in _MAY_BE_LETTERS and _LETTERS.search(text, place, place + _REACH_BEHIND) is not None
            )
            start = -1 if here[0].form is None else answer(text, place)
            for entry in here:
                if near or entry.form is None:
                    match = entry.value.match(text, place)
                    if match is None:
                        stretch = None
                    elif (*match.span("value"), entry.type) in known:
                        yield from _listed(context, entry, match.end("value"))
                        stretch = None
                    else:
                        stretch = _checked(context, entry, *match.span("value"))
                    if stretch is not None:
                        yield Announced(*stretch, entry)
                        yield from _listed(context, entry, stretch[1])
                if entry.form is None:
                    continue
                match = entry.form.match(text, start) if start >= 0 else None
                if match is not None and (stretch := _checked(context, entry, *match.span())) is not None:
                    yield Announced(*stretch, entry)
                if entry.is_named_behind and (stretch := _before(context, entry, cue, place)) is not None:
                    yield Announced(*stretch, entry)


def _checked(context: Context, entry: Cued, start: int, end: int) -> tuple[int, int] | None:
    return (start, end) if entry.check is None else entry.check(context, start, end)


def _listed(context: Context, entry: Cued, end: int) -> Iterator[Announced]:
    """Further items of the list whose last item ended at `end`."""
    if entry.form is None:
        return
    for _ in range(_MOST_ITEMS):
        between = NEXT.match(context.text, end)
        match = None if between is None else entry.form.match(context.text, between.end())
        stretch = None if match is None else _checked(context, entry, *match.span())
        if stretch is None:
            return
        yield Announced(*stretch, entry)
        end = stretch[1]


def _before(context: Context, entry: Cued, cue: Cue, place: int) -> tuple[int, int] | None:
    """The value that the cue ending at `place` names afterwards."""
    text, form = context.text, entry.form
    first = max(place - _REACH_BEFORE, 0)
    first = max(text.rfind("\n", first, place) + 1, first)
    if form is None or _DIGIT.search(text, first, place) is None:
        return None
    last = _UP_TO_VALUE.match(text, first, place)
    if last is None:
        return None
    relation = RELATION.match(text, last.end(), place)
    if relation is None or _expression(cue).fullmatch(text, relation.end(), place) is None:
        return None
    while (match := form.search(text, first, last.end())) is not None:
        if match.end() == last.end():
            if context.named(Cue.OTHER_NUMBER, match.start()):
                return None
            return _checked(context, entry, *match.span())
        first = match.end()
    return None


_UP_TO_VALUE: Final = expression(r".*\d[A-Z]{0,3}(?![A-Za-z0-9])")
"""The line up to its last number."""


@functools.cache
def _expression(cue: Cue) -> re.Pattern[str]:
    """The words of one cue."""
    return expression("|".join(f"(?:{line})" for line in words_of(cue)), re.IGNORECASE)
