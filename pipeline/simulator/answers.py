"""What stands at each place of an answer: read from the text, or made up and labelled as such."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.simulator.choice import chooser
from pipeline.simulator.facts import Facts
from pipeline.simulator.topics import Topic

LABEL = "(simulated) "
"""Begins every free text. Not in square brackets: those are the redaction's placeholders."""

_UNSTATED: Mapping[Topic, str] = {Topic.DATE: "2026-01-01", Topic.DATE_TIME: "2026-01-01T00:00:00Z"}
_MISSING = ("date of the incident", "amount claimed", "place of the incident", "policy number")


class Node(Protocol):
    """One place of a schema."""

    def find(self, facts: Facts, at: int) -> object:
        """The value that the text gives (the `at`-th where it gives several), or None."""

    def make(self, facts: Facts, at: int) -> object:
        """The value when there has to be one."""

    def count(self, facts: Facts) -> int:
        """How many values the text gives, for arrays."""


@dataclass(frozen=True, slots=True)
class Record:
    """`object`."""

    fields: tuple[tuple[str, Node], ...]

    def find(self, facts: Facts, at: int) -> object:
        return self.make(facts, at) if at < self.count(facts) else None

    def make(self, facts: Facts, at: int) -> dict[str, object]:
        return {name: node.make(facts, at) for name, node in self.fields}

    def count(self, facts: Facts) -> int:
        return max((node.count(facts) for _, node in self.fields), default=0)


@dataclass(frozen=True, slots=True)
class Items:
    """`array`: as many items as the text names, inside the bounds."""

    item: Node
    fewest: int
    most: int

    def find(self, facts: Facts, at: int) -> object:
        return self.make(facts, at) or None

    def make(self, facts: Facts, at: int) -> object:
        named = min(self.item.count(facts), self.most)
        return [self.item.make(facts, index) for index in range(max(named, self.fewest))]

    def count(self, facts: Facts) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Nullable:
    """`anyOf` with null: null when the text says nothing."""

    inner: Node

    def find(self, facts: Facts, at: int) -> object:
        return self.inner.find(facts, at)

    def make(self, facts: Facts, at: int) -> object:
        return self.inner.find(facts, at)

    def count(self, facts: Facts) -> int:
        return self.inner.count(facts)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One of some values by chance: `enum` of other things than strings, `const`, `boolean`."""

    name: str
    values: tuple[object, ...]

    def find(self, facts: Facts, at: int) -> object:
        return self.make(facts, at)

    def make(self, facts: Facts, at: int) -> object:
        return self.values[int(facts.draws.field(f"{self.name}{at}") * len(self.values))]

    def count(self, facts: Facts) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Label:
    """`enum` of strings: the one whose words the text shares most."""

    name: str
    labels: tuple[str, ...]
    description: str
    topic: Topic

    def find(self, facts: Facts, at: int) -> object:
        return self.make(facts, at)

    def make(self, facts: Facts, at: int) -> object:
        if self.topic is Topic.LANGUAGE and facts.language in self.labels:
            return facts.language
        fitting = chooser(self.labels, self.description, facts.prompt)
        return fitting.choose(facts.words, facts.draws.field(f"{self.name}{at}"))

    def count(self, facts: Facts) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Number:
    """`number` and `integer`: the first in the text that fits the bounds, else a drawn one."""

    name: str
    whole: bool
    low: float
    high: float
    confidence: bool
    """Confidences are drawn, from .55 to .98."""

    def find(self, facts: Facts, at: int) -> object:
        if self.confidence:
            return self.make(facts, at)
        fitting = [n for n in facts.numbers if self.low <= n <= self.high and not (self.whole and n % 1)]
        return (int(fitting[at]) if self.whole else fitting[at]) if at < len(fitting) else None

    def make(self, facts: Facts, at: int) -> object:
        u = facts.draws.field(f"{self.name}{at}")
        if self.confidence:
            return round(0.55 + 0.43 * u, 2)
        if (found := self.find(facts, at)) is not None:
            return found
        if self.whole:
            low = -int(-self.low // 1)
            return low + int(u * (int(self.high // 1) - low + 1))
        return min(max(round(self.low + (self.high - self.low) * u, 2), self.low), self.high)

    def count(self, facts: Facts) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Text:
    """`string`: the text's own words where it is about something the text names, else a labelled free text."""

    title: str
    topic: Topic
    shortest: int
    longest: int
    pattern: re.Pattern[str] | None

    def find(self, facts: Facts, at: int) -> object:
        named = [value for value in self._named(facts) if self._fits(value)]
        return named[at] if at < len(named) else None

    def make(self, facts: Facts, at: int) -> object:
        if (found := self.find(facts, at)) is not None:
            return found
        if (stated := _UNSTATED.get(self.topic)) is not None and self._fits(stated):
            return stated
        if self.pattern is not None and (match := self.pattern.search(facts.text)) and self._fits(match[0]):
            return match[0]
        # A summary is the text's beginning; anything else says what it stands for.
        head = "" if self.title == "summary" else f"{self.title}: "
        free = shortened(f"{LABEL}{head}{facts.opening or 'no text'}", self.longest)
        return free.ljust(self.shortest, ".")

    def count(self, facts: Facts) -> int:
        return sum(map(self._fits, self._named(facts)))

    @property
    def free(self) -> bool:
        """Whether anything at all may stand here."""
        return self.topic is Topic.FREE and self.pattern is None

    def _fits(self, value: str) -> bool:
        return self.shortest <= len(value) <= self.longest and (
            self.pattern is None or bool(self.pattern.search(value))
        )

    def _named(self, facts: Facts) -> Sequence[str]:
        match self.topic:
            case Topic.LANGUAGE:
                return (facts.language,)
            case Topic.DATE:
                return [date.isoformat() for date in facts.dates]
            case Topic.DATE_TIME:
                return [f"{date.isoformat()}T00:00:00Z" for date in facts.dates]
            case Topic.MONEY:
                return facts.money
            case Topic.PERSON:
                return facts.people
            case Topic.PLACE:
                return facts.places
            case Topic.IDENTIFIER:
                return facts.identifiers
            case Topic.INJURY:
                return [shortened(LABEL + sentence, min(self.longest, 120)) for sentence in facts.injuries]
            case Topic.MISSING:
                known = (facts.dates, facts.money, facts.places, facts.identifiers)
                return [LABEL + item for item, values in zip(_MISSING, known, strict=True) if not values]
            case Topic.FREE:
                return ()


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters, cut after a sentence or between words: a placeholder stays whole or goes."""
    if len(text) <= longest:
        return text
    cut = text.rfind(". ", longest // 2, longest) + 1 or text.rfind(" ", 0, longest + 1)
    return text[: cut if cut > 0 else longest]
