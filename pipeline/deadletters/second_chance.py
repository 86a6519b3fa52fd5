"""Which dead letters are tried again by themselves, and when; and how many of them wait here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from pipeline.catalogue import SecondChanceSpec
from pipeline.errors import Cause


@dataclass(frozen=True, slots=True)
class ChancePolicy:
    """After these causes a record is sent again `delays[n]` after its death, when it was so `n` times before."""

    causes: frozenset[Cause] = frozenset()
    delays: tuple[timedelta, ...] = ()

    @classmethod
    def of(cls, spec: SecondChanceSpec | None) -> Self:
        """As an enrichment says; nothing where it says nothing."""
        return cls() if spec is None else cls(frozenset(spec.causes), spec.delays)

    def next_try(self, cause: Cause, tries: int, died_at: datetime) -> datetime | None:
        """When a record is due that died at `died_at` and was tried again so often; None: it waits for a person."""
        if cause not in self.causes or not 0 <= tries < len(self.delays):
            return None
        return died_at + self.delays[tries]


@dataclass(frozen=True, slots=True)
class ChanceStatus:
    """A moment of an enrichment's second chances in this worker. Counts are since its start."""

    waiting: int
    next_try_at: datetime | None
    tried: int
    opened: int
    """Those that were not sent when they were due, and wait for a person."""


@dataclass(slots=True)
class Waiting:
    """The dead letters that wait here, by id, with the time when each is due."""

    due: dict[str, datetime] = field(default_factory=dict)
    tried: int = 0
    opened: int = 0

    def status(self) -> ChanceStatus:
        """How it stands."""
        return ChanceStatus(len(self.due), min(self.due.values(), default=None), self.tried, self.opened)
