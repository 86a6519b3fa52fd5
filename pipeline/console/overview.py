"""Every enrichment at a glance: what the topics tell, what the workers tell, and what could not be had."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from pipeline.catalogue import Catalogue, Enrichment
from pipeline.console import workers
from pipeline.console.backlog import Backlog, Waiting
from pipeline.console.spending import BudgetUse, Cost, Spending
from pipeline.console.workers import Worker
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.errors import PipelineError
from pipeline.serde import TopicCodecs
from pipeline.settings import Settings

_FRESH_S: Final = 2.0
_Found = TypeVar("_Found")
_Letters = Mapping[Status, Mapping[str, int]]
"""How many dead letters there are, by status and topic."""
_COUNTING_S: Final = 1.0
"""How long a page waits for the ledger to be read on."""


@dataclass(frozen=True, slots=True)
class Pausing:
    """That a worker's guard pauses an enrichment, and why."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class TierView:
    """A tier's model as the workers see it: the worst breaker, the largest use of a quota. Empty: nobody asked it."""

    name: str
    provider: str
    model: str
    breaker: str
    quota_used: float | None


@dataclass(frozen=True, slots=True)
class EnrichmentView:
    """One enrichment; None is what could not be found out."""

    name: str
    description: str
    input: str
    waiting: Waiting | None
    oldest_s: float | None
    """Age of the oldest record that waits, in seconds."""
    open_letters: int | None
    waiting_letters: int
    """Of the others, those that wait for their next try."""
    cost: Cost | None
    working: int
    """Workers that say they work for it."""
    in_flight: float
    paused: Sequence[Pausing]
    tiers: Sequence[TierView]
    budgets: Sequence[BudgetUse]
    """Those that it draws on."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A moment of all. `troubles` are what could not be asked, a line each."""

    at: datetime
    enrichments: Sequence[EnrichmentView]
    workers: Sequence[Worker]
    budgets: Sequence[BudgetUse]
    troubles: Sequence[str]


class Overviews:
    """Looks at most every two seconds, however many pages are open."""

    def __init__(self, settings: Settings, catalogue: Catalogue, desk: Callable[[], Desk]) -> None:
        self._settings, self._catalogue, self._desk = settings, catalogue, desk
        self._addresses = workers.addresses(settings)
        self._lock = threading.Lock()
        self._backlog: Backlog | None = None
        self._spending: Spending | None = None
        self._kept: tuple[float, Overview] | None = None

    def look(self) -> Overview:
        """Everything that can be had now. Blocks; raises nothing that is away: it is told of."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > _FRESH_S:
                found = self._look()
                self._kept = time.monotonic(), found
            return self._kept[1]

    def forget(self) -> None:
        """The next look is a new one: something was done."""
        self._kept = None

    def _look(self) -> Overview:
        troubles: list[str] = []
        asked = workers.ask(self._addresses)
        letters = self._tried(self._letters, troubles)
        # When Kafka is away once, it is not waited for a second time.
        waiting = self._tried(self._waiting, troubles) if letters is not None else None
        spending = self._tried(self._spent, troubles) if letters is not None else None
        if spending is not None and spending.trouble:
            troubles.append(spending.trouble)
        now = datetime.now(UTC)
        views = [
            self._view(name, (waiting or {}).get(name), letters, spending, asked, now)
            for name in sorted(self._catalogue.enrichments)
        ]
        return Overview(
            at=now,
            enrichments=views,
            workers=asked,
            budgets=spending.budgets() if spending else (),
            troubles=list(dict.fromkeys(troubles)),
        )

    def _view(
        self,
        name: str,
        waiting: Waiting | None,
        letters: _Letters | None,
        spending: Spending | None,
        asked: Sequence[Worker],
        now: datetime,
    ) -> EnrichmentView:
        enrichment = self._catalogue.enrichments[name]
        oldest = (now - waiting.oldest).total_seconds() if waiting is not None and waiting.oldest else None
        if oldest is None:
            oldest = max((one.oldest_s[name] for one in asked if one.oldest_s.get(name)), default=None)
        return EnrichmentView(
            name=name,
            description=enrichment.spec.description,
            input=enrichment.input.topic,
            waiting=waiting,
            oldest_s=oldest,
            open_letters=None if letters is None else letters[Status.OPEN].get(enrichment.dead_letters.topic, 0),
            waiting_letters=letters[Status.WAITING].get(enrichment.dead_letters.topic, 0) if letters else 0,
            cost=spending.today(name) if spending else None,
            working=sum(name in one.in_flight for one in asked),
            in_flight=sum(one.in_flight.get(name, 0) for one in asked),
            paused=[Pausing(one.address, one.paused[name]) for one in asked if name in one.paused],
            tiers=_tiers(enrichment, asked),
            budgets=[use for use in spending.budgets() if use.limit.enrichment in ("*", name)] if spending else [],
        )

    def _letters(self) -> _Letters:
        desk = self._desk()
        return {status: desk.stats(Filter(statuses=[status])).by_topic for status in (Status.OPEN, Status.WAITING)}

    def _waiting(self) -> Mapping[str, Waiting]:
        self._backlog = self._backlog or Backlog(self._settings.kafka.client(), self._catalogue)
        return self._backlog.look()

    def _spent(self) -> Spending:
        if self._spending is None:
            codecs = TopicCodecs(self._catalogue, self._settings.registry)
            self._spending = Spending(self._settings.kafka.client(), codecs, self._settings)
        self._spending.refresh(_COUNTING_S)
        return self._spending

    @staticmethod
    def _tried(look: Callable[[], _Found], troubles: list[str]) -> _Found | None:
        try:
            return look()
        except PipelineError as error:
            troubles.append(str(error))
            return None


_WORSE: Final = ("closed", "half_open", "open")


def _tiers(enrichment: Enrichment, asked: Sequence[Worker]) -> list[TierView]:
    found = []
    for tier in enrichment.spec.tiers:
        seen = [
            model
            for one in asked
            for model in one.models
            if (model.provider, model.model) == (tier.provider, tier.model)
        ]
        breaker = max((model.breaker for model in seen if model.breaker in _WORSE), key=_WORSE.index, default="")
        used = max((model.quota_used for model in seen if model.quota_used is not None), default=None)
        found.append(TierView(tier.name, tier.provider, tier.model, breaker, used))
    return found
