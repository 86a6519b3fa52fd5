"""How much money and how many tokens may be spent, by whom, and what is done when that is reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

ANY = "*"
"""Any tenant, or any enrichment: together."""


class Period(StrEnum):
    """Calendar days and months in UTC."""

    DAY = "day"
    MONTH = "month"

    def begins(self, at: datetime) -> datetime:
        """The start of the period in which `at` lies."""
        day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self is Period.DAY else day.replace(day=1)

    def ends(self, at: datetime) -> datetime:
        """The start of the next one."""
        begins = self.begins(at)
        if self is Period.DAY:
            return begins + timedelta(days=1)
        return (begins + timedelta(days=32)).replace(day=1)


class Hard(StrEnum):
    """What is done with records once a budget is spent."""

    HOLD = "hold"
    """They wait for the next period, or for a larger budget."""
    CHEAPER = "cheaper"
    """They get the lowest tier that answers validly, and no second opinion."""
    FALLBACK = "fallback"
    """They get their enrichment's safe answer; a dead letter where it has none."""
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in dollars, tokens or both (0: none) for a tenant, an enrichment, or all of them together.

    From `soft_share` of it on, records get no second opinion and somebody is told; at the limit `hard` is done. Calls
    that were given up count as if they were billed in full: a limit holds whatever the provider makes of them.
    """

    tenant: str = ANY
    enrichment: str = ANY
    period: Period = Period.DAY
    usd: Decimal = Decimal(0)
    tokens: int = 0
    soft_share: Decimal = Decimal("0.8")
    hard: Hard = Hard.HOLD

    @property
    def name(self) -> str:
        """What it is called in logs and alerts."""
        return f"{self.tenant}/{self.enrichment} a {self.period}"

    def covers(self, tenant: str, enrichment: str) -> bool:
        return self.tenant in (ANY, tenant) and self.enrichment in (ANY, enrichment)

    def used(self, spent: Spent) -> Decimal:
        """The share of it that `spent` is, what was given up included; by money or tokens, whichever is more."""
        used = (spent.usd + spent.unsettled_usd) / self.usd if self.usd else Decimal(0)
        if self.tokens:
            used = max(used, Decimal(spent.tokens + spent.unsettled_tokens) / self.tokens)
        return used


@dataclass(frozen=True, slots=True)
class Spent:
    """Money and tokens that calls were billed at, and beside it what calls without an answer may be billed at most."""

    usd: Decimal = Decimal(0)
    tokens: int = 0
    unsettled_usd: Decimal = Decimal(0)
    unsettled_tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.usd + other.usd,
            self.tokens + other.tokens,
            self.unsettled_usd + other.unsettled_usd,
            self.unsettled_tokens + other.unsettled_tokens,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.usd - other.usd,
            self.tokens - other.tokens,
            self.unsettled_usd - other.unsettled_usd,
            self.unsettled_tokens - other.unsettled_tokens,
        )


NOTHING = Spent()


class Ledger(Protocol):
    """What has been spent. This worker adds its own; others' spending may come in from outside."""

    def add(self, tenant: str, enrichment: str, spent: Spent, at: datetime) -> None: ...

    def spent(self, tenant: str, enrichment: str, period: Period, at: datetime) -> Spent:
        """Everything in the period in which `at` lies; `ANY` adds up all tenants or enrichments."""


class LocalLedger:
    """What this process has spent since it began. Periods that are over are forgotten."""

    def __init__(self) -> None:
        self._sums: dict[tuple[datetime, Period, str, str], _Sum] = {}
        self._spans: dict[Period, tuple[datetime, datetime]] = {}
        """The newest period of each kind: from when, and until when."""

    def add(self, tenant: str, enrichment: str, spent: Spent, at: datetime) -> None:
        for period in Period:
            begins = self._begins(period, at)
            for key in {
                (begins, period, tenant, enrichment),
                (begins, period, tenant, ANY),
                (begins, period, ANY, enrichment),
                (begins, period, ANY, ANY),
            }:
                found = self._sums.get(key)
                if found is None:
                    found = self._sums[key] = _Sum()
                found.add(spent)

    def spent(self, tenant: str, enrichment: str, period: Period, at: datetime) -> Spent:
        found = self._sums.get((period.begins(at), period, tenant, enrichment))
        return found.spent() if found else NOTHING

    def _begins(self, period: Period, at: datetime) -> datetime:
        span = self._spans.get(period)
        if span is not None and span[0] <= at < span[1]:
            return span[0]
        begins = period.begins(at)
        if span is None or begins > span[0]:
            self._spans[period] = (begins, period.ends(at))
            self._sums = {k: v for k, v in self._sums.items() if k[1] is not period or k[0] >= begins}
        return begins


class _Sum:
    """`Spent`, added up in place: this is done eight times a record."""

    __slots__ = ("tokens", "unsettled_tokens", "unsettled_usd", "usd")

    def __init__(self) -> None:
        self.usd = self.unsettled_usd = Decimal(0)
        self.tokens = self.unsettled_tokens = 0

    def add(self, spent: Spent) -> None:
        self.usd += spent.usd
        self.tokens += spent.tokens
        if spent.unsettled_tokens:
            self.unsettled_usd += spent.unsettled_usd
            self.unsettled_tokens += spent.unsettled_tokens

    def spent(self) -> Spent:
        return Spent(self.usd, self.tokens, self.unsettled_usd, self.unsettled_tokens)


class Level(StrEnum):
    """How far a budget is used."""

    FREE = "free"
    SOFT = "soft"
    HARD = "hard"


def level(budget: Budget, spent: Spent) -> Level:
    """Where `spent` (what is on its way, and what was given up, included) leaves the budget."""
    used = budget.used(spent)
    if used >= 1:
        return Level.HARD
    return Level.SOFT if used >= budget.soft_share else Level.FREE


_SEVERITY = (Hard.DEAD_LETTER, Hard.FALLBACK, Hard.HOLD, Hard.CHEAPER)


def strictest(budgets: Iterable[Budget]) -> Budget | None:
    """Of the budgets that are spent, the one whose consequence goes furthest."""
    return min(budgets, key=lambda budget: _SEVERITY.index(budget.hard), default=None)


@dataclass(frozen=True, slots=True)
class SpendRatePolicy:
    """When money leaves unusually fast: over `factor` times the average of the last day, and over `least_usd`."""

    window: timedelta = timedelta(minutes=5)
    factor: Decimal = Decimal(4)
    least_usd: Decimal = Decimal(1)
    """Nobody is woken for less than this in one window."""
    again_after: timedelta = timedelta(hours=1)


class SpendRate:
    """Watches the rate of spending. `at` never goes back."""

    def __init__(self, policy: SpendRatePolicy) -> None:
        self._policy = policy
        self._windows: dict[datetime, Decimal] = {}
        self._alarmed_at: datetime | None = None
        self._since: datetime | None = None

    def add(self, usd: Decimal, at: datetime) -> Decimal | None:
        """Adds a call's cost. Returns the window's dollars when that is alarming, else None."""
        policy = self._policy
        self._since = self._since or at
        seconds = policy.window.total_seconds()
        current = datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
        self._windows[current] = self._windows.get(current, Decimal(0)) + usd
        day_ago = at - timedelta(days=1)
        while (oldest := next(iter(self._windows))) < day_ago:
            del self._windows[oldest]
        now = self._windows[current]
        if now < policy.least_usd or (self._alarmed_at and at - self._alarmed_at < policy.again_after):
            return None
        before = max(timedelta(days=1) if self._since < day_ago else current - self._since, timedelta())
        windows = before / policy.window
        if windows < MIN_WINDOWS:
            return None
        usual = (sum(self._windows.values(), Decimal(0)) - now) / Decimal(windows)
        if now <= usual * policy.factor:
            return None
        self._alarmed_at = at
        return now


MIN_WINDOWS = 6
"""Before so many windows have passed nobody knows what is usual."""
