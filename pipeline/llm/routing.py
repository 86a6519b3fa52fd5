"""Who is asked next: a ladder of tiers, and what each answer or failure does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.llm.question import Tier


@dataclass(frozen=True, slots=True)
class Rung:
    """One tier of a ladder: `height` counts changes of name from the bottom, `place` its position in the list."""

    tier: Tier
    height: int
    place: int


class Ladder:
    """The tiers that may still be asked for one record, in order of preference.

    Tiers are asked in the order written. Neighbours of the same name are alternatives of one height: when one
    provider is out, the next tier down the list is asked. An answer that is never valid, or that is not confident
    enough, moves the record up; a refusal rules out the provider.
    """

    def __init__(self, tiers: Sequence[Tier], input_tokens: int = 0) -> None:
        """`input_tokens` is the prompt's estimated length: tiers that do not take it are left out."""
        rungs: list[Rung] = []
        for place, tier in enumerate(tiers):
            height = 0 if not rungs else rungs[-1].height + (tier.name != rungs[-1].tier.name)
            rungs.append(Rung(tier, height, place))
        self._rungs = tuple(rungs)
        self._ruled_out = {rung.place for rung in rungs if 0 < rung.tier.max_input_tokens < input_tokens}
        self._height = 0
        self._low = False

    def candidates(self) -> list[Rung]:
        """Who may be asked, best first: from the height reached upwards, then what was left out below."""
        open_rungs = [rung for rung in self._rungs if rung.place not in self._ruled_out]
        if not self._height:
            return open_rungs
        return [r for r in open_rungs if r.height >= self._height] + [r for r in open_rungs if r.height < self._height]

    def stronger(self, rung: Rung) -> list[Rung]:
        """Who stands above `rung` and may be asked for a second opinion."""
        return [] if self._low else self.above(rung)

    def above(self, rung: Rung) -> list[Rung]:
        """Who stands above `rung` and has not been ruled out."""
        return [r for r in self._rungs if r.height > rung.height and r.place not in self._ruled_out]

    def reached(self, rung: Rung) -> bool:
        """True when `rung` stands at the height reached, or higher."""
        return rung.height >= self._height

    def stay_low(self) -> None:
        """Money is short: a valid answer is enough, however unsure. Outages and invalid answers still move up."""
        self._low = True

    def rule_out(self, rung: Rung) -> None:
        """This tier never answered validly: the record moves up."""
        self._ruled_out.add(rung.place)
        self._height = max(self._height, rung.height + 1)

    def rule_out_provider(self, rung: Rung) -> None:
        """This provider declined or rejected the request: its other models would too."""
        self._ruled_out.update(r.place for r in self._rungs if r.tier.provider == rung.tier.provider)
