"""What the gateway tells telemetry: typed hooks with frozen details, no payload in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.llm.breaker import BreakerState
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


class Observer(Protocol):
    """Runs on the event loop, once a call: must be quick and must not raise."""

    def called(self, details: CallDetails) -> None: ...
    def breaker_changed(self, change: BreakerChange) -> None: ...
    def throttled(self, throttle: Throttle) -> None: ...


class Unobserved:
    """Tells nobody."""

    def called(self, details: CallDetails) -> None:
        pass

    def breaker_changed(self, change: BreakerChange) -> None:
        pass

    def throttled(self, throttle: Throttle) -> None:
        pass
