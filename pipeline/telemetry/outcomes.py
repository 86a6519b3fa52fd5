"""What became of the records of this worker, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.errors import Cause, Stage


@dataclass(slots=True)
class Tally:
    """One enrichment's counts since the worker started."""

    enriched: int = 0
    safe: int = 0
    """Of them, with the safe answer: nobody could be asked, or no answer was valid."""
    skipped: int = 0
    overtaken: int = 0
    """Sent again by themselves, and not enriched because something newer of their entity was."""
    dead: Counter[tuple[Stage, Cause]] = field(default_factory=Counter)
    cost_usd: Decimal = Decimal(0)

    @property
    def dead_letters(self) -> int:
        return sum(self.dead.values())


class Outcomes:
    """Counts outcomes and tells whoever listens (the guard) of each one that is an answer or a dead letter."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self._listeners: list[Callable[[str, str | None], None]] = []

    def listen(self, listener: Callable[[str, str | None], None]) -> None:
        """`listener(enrichment, fingerprint)` is called for each record; None: it was enriched."""
        self._listeners.append(listener)

    def enriched(self, enrichment: str, cost_usd: Decimal, *, safe: bool = False) -> None:
        """One record was enriched; `safe`: with the answer that its enrichment names for a bad day."""
        tally = self._tally(enrichment)
        tally.enriched += 1
        tally.safe += safe
        tally.cost_usd += cost_usd
        self._tell(enrichment, None)

    def skipped(self, enrichment: str) -> None:
        """One record was outside the enrichment's `when` filter."""
        self._tally(enrichment).skipped += 1

    def overtaken(self, enrichment: str) -> None:
        """One record that was sent again by itself came too late."""
        self._tally(enrichment).overtaken += 1

    def unwritten(self, enrichment: str) -> None:
        """One record that counted as enriched could not be written: it is about to be counted as dead."""
        self._tally(enrichment).enriched -= 1

    def dead(
        self, enrichment: str, stage: Stage, cause: Cause, cost_usd: Decimal = Decimal(0), fingerprint: str = ""
    ) -> None:
        """One record died; `cost_usd` is what its calls cost."""
        tally = self._tally(enrichment)
        tally.dead[stage, cause] += 1
        tally.cost_usd += cost_usd
        self._tell(enrichment, fingerprint)

    def _tally(self, enrichment: str) -> Tally:
        return self.tallies.setdefault(enrichment, Tally())

    def _tell(self, enrichment: str, fingerprint: str | None) -> None:
        for listener in self._listeners:
            listener(enrichment, fingerprint)
