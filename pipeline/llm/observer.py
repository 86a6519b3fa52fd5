"""What the gateway tells telemetry: typed hooks with frozen details, no payload in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pipeline.llm.breaker import BreakerState
from pipeline.llm.budget import Level
from pipeline.llm.question import Attempt


@dataclass(frozen=True, slots=True)
class CallDetails:
    """One call ended, well or not."""

    enrichment: str
    tenant: str
    prompt_version: str
    attempt: Attempt
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A circuit breaker changed its state; `alert` says why when a person has to mend something."""

    provider: str
    model: str
    before: BreakerState
    after: BreakerState
    alert: str = ""


@dataclass(frozen=True, slots=True)
class Throttle:
    """A provider said 429: its pool waits."""

    provider: str
    model: str
    pause_s: float


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """A budget passed its soft or its hard limit, or is free again; `budget` is its name."""

    budget: str
    before: Level
    after: Level


@dataclass(frozen=True, slots=True)
class SpendAlarm:
    """Money leaves unusually fast: so many dollars in the last minutes."""

    usd: Decimal


class Observer(Protocol):
    """Runs on the event loop, once a call: must be quick and must not raise."""

    def called(self, details: CallDetails) -> None: ...
    def breaker_changed(self, change: BreakerChange) -> None: ...
    def throttled(self, throttle: Throttle) -> None: ...
    def budget_changed(self, change: BudgetChange) -> None: ...
    def spending_fast(self, alarm: SpendAlarm) -> None: ...


class Unobserved:
    """Tells nobody."""

    def called(self, details: CallDetails) -> None:
        pass

    def breaker_changed(self, change: BreakerChange) -> None:
        pass

    def throttled(self, throttle: Throttle) -> None:
        pass

    def budget_changed(self, change: BudgetChange) -> None:
        pass

    def spending_fast(self, alarm: SpendAlarm) -> None:
        pass
