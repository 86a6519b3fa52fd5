"""What an entry of the pattern table is, and what its check may look at."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_SENTENCE_END: Final = expression(
    r"(?<!\bn)(?<!\bno)(?<!\bnr)(?<!\bnum)(?<!\blt)(?<!\bca)(?<!\bgem)(?<!\bbzw)(?<!\bref)(?<!\btel)(?<!\bgeb)(?<!\.)[.!?][\"')]?\s|\n\s*\n",
    re.IGNORECASE,
)

_ANSWER: Final = expression(
    r"[^\n]{0,24}[?:] ?\r?\n[\[(>]{0,2}[0-9:., APMapm/-]{0,20}[\])]?[ -]{0,3}(?:[A-Za-z][A-Za-z .'()/-]{0,30}: ?)?"
)
"""From a question's word to the answer in the chat's next line."""

_SAYS_WHAT: Final = expression(
    r" ?(?:(?:,|as|is|was|for|being|=|als|ist|comme|est|como|es|come) ?){1,2}\(?(?:my|the|our|his|her|their|a|your"
    r"|mein[e]?|mon|ma|mi|il mio|meu)?\b|,? ?\(",
    re.IGNORECASE,
)
_NAMING_REACH: Final = 40
_NAMING: Final = expression(
    r"(?:[ \t\n.:#=\"'()/-]|\b(?:number|numbers|no|nos|nr|num|nummer|numero|id|is|was|are|est|ist|es|e|n|o"
    r"|lautet|le|the|a"
    r"|el|la|il|de|del|of|der|die|das|your|my|code|kennung|ref|reference|with|mit|avec|con|com)\b)*",
    re.IGNORECASE,
)


class Strength(IntEnum):
    """How sure a find is; where finds overlap, the surest names the type of the whole."""

    GUESS = 0
    SHAPE = 1
    CUED = 2
    PROVEN = 3


class Context:
    """One shadow under the scanner: its text, and where cue words ended.

    `postcode_end`: where the last postcode ended that was looked at; no later one's address begins before it.
    """

    __slots__ = ("_cues", "postcode_end", "text")

    def __init__(self, text: str, cues: Mapping[Cue, Sequence[int]]) -> None:
        self._cues = cues
        self.postcode_end = 0
        self.text = text

    def ends(self, cue: Cue) -> Sequence[int]:
        """Where words of the cue ended, in order."""
        return self._cues.get(cue, ())

    def last(self, cue: Cue, start: int, reach: int) -> int:
        """The end of the last such cue before `start`, at most `reach` characters away and in its sentence; -1: none.

        A full stop right behind the cue is an abbreviation's.
        """
        ends = self._cues.get(cue)
        if not ends:
            return -1
        place = bisect_right(ends, start) - 1
        if place < 0 or start - ends[place] > reach:
            return -1
        at = ends[place]
        if _SENTENCE_END.search(self.text, at + 1, start) is None or _ANSWER.fullmatch(self.text, at, start):
            return at
        return -1

    def after(self, cue: Cue, start: int, reach: int = 40) -> bool:
        """True when there is such a `last` cue."""
        return self.last(cue, start, reach) >= 0

    def before_cue(self, cue: Cue, end: int, reach: int = 24) -> bool:
        """True when the cue follows and says what this was: `... as my SIN`, `... (cell)`."""
        ends = self._cues.get(cue)
        if not ends:
            return False
        place = bisect_right(ends, end)
        return (
            place < len(ends)
            and ends[place] - end <= reach
            and _SAYS_WHAT.match(self.text, end, ends[place]) is not None
        )

    def named(self, cue: Cue, start: int) -> bool:
        """True when the cue names what begins at `start`: nothing but words like `number` and `is` between them."""
        ends = self._cues.get(cue)
        if not ends:
            return False
        place = bisect_right(ends, start) - 1
        return (
            place >= 0
            and start - ends[place] <= _NAMING_REACH
            and _NAMING.fullmatch(self.text, ends[place], start) is not None
        )

    def before(self, start: int) -> str:
        """The character before, a blank at the beginning."""
        return self.text[start - 1] if start else " "

    def behind(self, end: int) -> str:
        """The character behind, a blank at the end."""
        return self.text[end : end + 1] or " "


Check = Callable[[Context, int, int], tuple[int, int] | None]
"""Looks at `context.text[start:end]`: the stretch that is personal data, or None."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of personal data: a shape that the scanner looks for and a check of what it finds.

    `shape` is Hyperscan's syntax (no look-around, no back-references) over the shadow, where all digits are 0-9 and
    all letters A-Z and a-z; keep its width bounded. Several ends from one start are tried longest first, but for a
    check that goes `by_start` alone: it is asked once. With `near`, it is looked for only in texts with one of these
    words.
    `yes` are texts in which exactly the part between `«` and `»` must be found, `no` texts in which nothing may be;
    the unit tests run both.
    """

    type: PiiType
    shape: str
    strength: Strength
    check: Check | None = None
    caseless: bool = False
    by_start: bool = False
    near: frozenset[Cue] = frozenset()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cued:
    """Personal data known by the word before it: behind `cue`, `value` (Python's `re`, bounded) is matched.

    The group `value` of the match is the personal data. `yes` and `no` are test cases as in `Pattern`.
    `form`: the value alone. With it, it is also looked for as a list's further item, as the next speaker's answer, and
    where `is_named_behind` says so before the cue (`X is my policy`).
    """

    type: PiiType
    cue: Cue
    value: re.Pattern[str]
    check: Check | None = None
    strength: Strength = Strength.CUED
    form: re.Pattern[str] | None = None
    is_named_behind: bool = False
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
