"""Spending stops when told to: budgets are asked before a record's first call and told after its last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pipeline.errors import BudgetError
from pipeline.llm.asking import Asking
from pipeline.llm.budget import (
    NOTHING,
    Budget,
    Hard,
    Ledger,
    Level,
    SpendRate,
    SpendRatePolicy,
    Spent,
    level,
    strictest,
)
from pipeline.llm.observer import BudgetChange, Observer, SpendAlarm

T = TypeVar("T")

CHECK_S = 60.0
"""How often those who are held look again: the ledger may learn of other workers' spending, and budgets change."""


@dataclass(frozen=True, eq=False, slots=True)
class Allowance:
    """Leave to spend about `reserved` on one record."""

    tenant: str
    enrichment: str
    reserved: Spent


class Spending:
    """Keeps budgets. What records on their way will probably cost counts as spent: a thousand may be."""

    def __init__(
        self,
        budgets: Iterable[Budget],
        ledger: Ledger,
        rate: SpendRatePolicy,
        observer: Observer,
        wall: Callable[[], float],
    ) -> None:
        """`wall` is Unix time, in seconds."""
        self._budgets = tuple(budgets)
        self._ledger = ledger
        self._rate = SpendRate(rate)
        self._observer = observer
        self._wall = wall
        self._open: dict[Allowance, None] = {}
        self._on_the_way: dict[Budget, Spent] = {}
        """What `_open` reserves of each budget."""
        self._levels: dict[Budget, Level] = {}
        self._changed = asyncio.Event()
        self.held = 0

    def set_budgets(self, budgets: Iterable[Budget]) -> None:
        """Takes these from now on; who is held looks again."""
        self._budgets = tuple(budgets)
        self._levels = {budget: found for budget, found in self._levels.items() if budget in self._budgets}
        self._on_the_way = {}
        for allowance in self._open:
            for budget in self._covering(allowance.tenant, allowance.enrichment):
                self._on_the_way[budget] = self._on_the_way.get(budget, NOTHING) + allowance.reserved
        self._changed.set()

    async def admit(self, asking: Asking[T], expected: Spent) -> Allowance:
        """Waits while a spent budget says hold; keeps the record on the lowest tier where one says so.

        Raises BudgetError.
        """
        question = asking.question
        while True:
            covering = self._covering(question.tenant, question.enrichment)
            levels = {budget: self._level(budget) for budget in covering}
            spent = strictest(budget for budget, found in levels.items() if found is Level.HARD)
            if spent is None or spent.hard is Hard.CHEAPER:
                if any(found is not Level.FREE for found in levels.values()):
                    asking.ladder.stay_low()
                break
            if spent.hard is not Hard.HOLD:
                asking.may_stand_in = spent.hard is Hard.FALLBACK
                raise BudgetError(f"the budget of {spent.name} is spent")
            await self._hold(asking, spent)
        for budget in covering:
            self._on_the_way[budget] = self._on_the_way.get(budget, NOTHING) + expected
        allowance = Allowance(question.tenant, question.enrichment, expected)
        self._open[allowance] = None
        return allowance

    def settle(self, allowance: Allowance, actual: Spent) -> None:
        """The record is done, or given up, and cost this."""
        at = self._now()
        del self._open[allowance]
        for budget in self._covering(allowance.tenant, allowance.enrichment):
            self._on_the_way[budget] -= allowance.reserved
        if actual == NOTHING:
            return
        self._ledger.add(allowance.tenant, allowance.enrichment, actual, at)
        if (dollars := self._rate.add(actual.usd, at)) is not None:
            self._observer.spending_fast(SpendAlarm(dollars))

    def _covering(self, tenant: str, enrichment: str) -> list[Budget]:
        return [budget for budget in self._budgets if budget.covers(tenant, enrichment)]

    def _level(self, budget: Budget) -> Level:
        at = self._now()
        spent = self._ledger.spent(budget.tenant, budget.enrichment, budget.period, at)
        found = level(budget, spent + self._on_the_way.get(budget, NOTHING))
        before = self._levels.get(budget, Level.FREE)
        if found is not before:
            self._levels[budget] = found
            self._observer.budget_changed(BudgetChange(budget.name, before, found))
        return found

    async def _hold(self, asking: Asking[T], budget: Budget) -> None:
        """Until the next period, a change of budgets, or the next look; at most as long as the record may wait."""
        at = self._now()
        pause_s = min(CHECK_S, max(0.1, (budget.period.ends(at) - at).total_seconds()))
        left_s = asking.left_s()
        if left_s is not None and left_s <= 0:
            raise asking.outage()
        self._changed.clear()
        self.held += 1
        try:
            async with asyncio.timeout(pause_s if left_s is None else min(pause_s, left_s)):
                await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self.held -= 1

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)
