"""Proves from the topics alone that each input came out exactly once and each key in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.stream.record import Record

Coordinates = tuple[str, int, int]
"""Topic, partition and offset of an input."""


@dataclass(frozen=True)
class Verdict:
    """What a read-committed consumer would complain about; empty lists are what is wanted."""

    inputs: int
    outputs: int
    lost: list[Coordinates]
    """Inputs that have no output and no dead letter."""
    duplicated: list[Coordinates]
    """Inputs that have more than one."""
    unknown: list[Coordinates]
    """Outputs of inputs that were never published."""
    out_of_order: list[tuple[Coordinates, Coordinates]]
    """Inputs of one key and partition where the later one stands before the earlier one in an output partition."""

    @property
    def exact(self) -> bool:
        """Whether there is nothing to complain about."""
        return not (self.lost or self.duplicated or self.unknown or self.out_of_order)

    def __str__(self) -> str:
        return (
            f"{self.inputs} in, {self.outputs} out, {len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.unknown)} unknown, {len(self.out_of_order)} out of order"
        )

    def story(self, most: int = 5) -> str:
        """The first offenders of each kind, one line each."""
        lines = [str(self)]
        lines += [f"lost: {where}" for where in self.lost[:most]]
        lines += [f"duplicated: {where}" for where in self.duplicated[:most]]
        lines += [f"unknown: {where}" for where in self.unknown[:most]]
        lines += [f"out of order: {later} stands before {earlier}" for later, earlier in self.out_of_order[:most]]
        return "\n".join(lines)


def check(inputs: Iterable[Record], outputs: Iterable[Record], source: Callable[[Record], Coordinates]) -> Verdict:
    """Compares what went in with what came out.

    `inputs` and `outputs` (dead letters among them) are all committed records, those of each partition in order;
    `source` tells which input an output stands for.
    """
    keys = {(one.topic, one.partition, one.offset): one.key for one in inputs}
    found: Counter[Coordinates] = Counter()
    newest: dict[tuple[str, int, str, int, bytes | None], int] = defaultdict(lambda: -1)
    unknown: list[Coordinates] = []
    out_of_order: list[tuple[Coordinates, Coordinates]] = []
    for output in outputs:
        where = source(output)
        if where not in keys:
            unknown.append(where)
            continue
        found[where] += 1
        topic, partition, offset = where
        if keys[where] is None or found[where] > 1:
            continue
        lane = (output.topic, output.partition, topic, partition, keys[where])
        if newest[lane] > offset:
            out_of_order.append(((topic, partition, newest[lane]), where))
        newest[lane] = max(newest[lane], offset)
    return Verdict(
        inputs=len(keys),
        outputs=sum(found.values()) + len(unknown),
        lost=[where for where in keys if where not in found],
        duplicated=[where for where, times in found.items() if times > 1],
        unknown=unknown,
        out_of_order=out_of_order,
    )
