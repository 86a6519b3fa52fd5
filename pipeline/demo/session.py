"""One run of the demo against a running stack: publish, enrich, disturb, read back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.catalogue import Catalogue
from pipeline.demo.badday import BadDay
from pipeline.demo.balance import Balance
from pipeline.demo.evidence import Evidence, Example, Found
from pipeline.demo.traffic import Stream, traffic
from pipeline.demo.view import Frame
from pipeline.errors import UnavailableError, UsageError
from pipeline.llm import GatewayStatus
from pipeline.serde import TopicCodecs
from pipeline.settings import ProviderSettings, Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output
from pipeline.telemetry.status import WorkerStatus
from pipeline.worker import Worker

_PUBLISH_S = 40.0
_OUTAGE_AT_S, _OUTAGE_S = 8.0, 20.0
_IDLE_S = 1.0
_STUCK_S = 120.0
_OTHERS_S = 15.0
_FRAME_S = 0.25
_RATE_OVER_S = 5.0
_LOG_LINES = 5
_REQUESTS_A_RECORD = 5
"""Kept to be looked at: calls, their retries and corrections."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    run: str
    balances: Mapping[str, Balance]
    examples: Mapping[str, Example]
    breaker_opened: int
    throttled: int
    failed: int
    first: str
    """The provider that is asked first, and was out."""
    simulated: bool


@dataclass
class Session:
    """One run. `show` is given a frame four times a second."""

    settings: Settings
    catalogue: Catalogue
    counts: Mapping[str, int]
    """Records to publish, by enrichment."""
    show: Callable[[Frame], None]
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        self._codecs = TopicCodecs(self.catalogue, self.settings.registry)
        self._interrupted = asyncio.Event()
        self._stop_publishing = threading.Event()
        self._published = dict.fromkeys(self.counts, 0)
        self._log: deque[str] = deque(maxlen=_LOG_LINES)

    async def run(self) -> Result | None:
        """None when it was interrupted: what was done is committed, nothing is left running.

        Raises UnavailableError when nothing moves any more, and what the worker raises.
        """
        providers = self._providers()
        simulated = all(provider.simulated for provider in providers.values())
        since = datetime.now(UTC) - timedelta(seconds=5)
        records = await asyncio.to_thread(self._records)
        evidence = Evidence(self._codecs, self.settings.kafka.client(), self.run_id, since)
        with ExitStack() as ending:
            ending.enter_context(_listening(self._log))
            ending.enter_context(self._interruptible())
            day = None
            if simulated:
                bad = BadDay.lasting(self.settings, _REQUESTS_A_RECORD * len(records))
                day = await asyncio.to_thread(ending.enter_context, bad)
            worker = await Worker.open(day.settings if day else self.settings, self.catalogue, list(self.counts))
            gateway = await self._work(worker, records, day, providers)
            if self._interrupted.is_set():
                return None
            found = await self._found(evidence)
            examples = await self._examples(evidence, found, day)
        balances = {name: one.balance for name, one in found.items()}
        routes = gateway.routes
        return Result(
            run=self.run_id,
            balances=balances,
            examples=examples,
            breaker_opened=sum(route.breaker_opened for route in routes),
            throttled=sum(route.throttled for route in routes),
            failed=sum(route.failed for route in routes),
            first=next(iter(providers)),
            simulated=simulated,
        )

    async def _work(
        self,
        worker: Worker,
        records: Sequence[tuple[str, Output]],
        day: BadDay | None,
        providers: Mapping[str, ProviderSettings],
    ) -> GatewayStatus:
        """Until all that was published has its output or dead letter; what the gateway says then."""
        working = asyncio.create_task(worker.run())
        publishing = asyncio.create_task(asyncio.to_thread(self._publish, records))
        watching = asyncio.create_task(self._watch(worker, publishing, day, next(iter(providers))))
        try:
            await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            gateway = worker.status().gateway
        finally:
            self._stop_publishing.set()
            watching.cancel()
            worker.stop()
            await asyncio.wait([working, publishing])
        working.result()
        publishing.result()
        return gateway

    async def _watch(self, worker: Worker, publishing: asyncio.Task[None], day: BadDay | None, first: str) -> None:
        began = time.monotonic()
        rates = _Rates()
        outage_at: float | None = None
        moved_at, before = began, -1
        while not self._interrupted.is_set():
            now, status = time.monotonic(), worker.status()
            if publishing.done():
                publishing.result()
            if day is not None and outage_at is None and now - began > _OUTAGE_AT_S:
                outage_at = now
                await asyncio.to_thread(day.outage, self.settings.providers[first], _OUTAGE_S)
            left = 0.0 if outage_at is None else max(0.0, outage_at + _OUTAGE_S - now)
            finished = {name: tally.enriched for name, tally in status.tallies.items()}
            self.show(
                Frame(
                    seconds=now - began,
                    happening=_happening(first if day else None, outage_at, left, publishing.done()),
                    alarming=left > 0,
                    published=dict(self._published),
                    planned=self.counts,
                    per_second=rates.of(now, finished),
                    status=status,
                    log=list(self._log),
                )
            )
            if publishing.done() and _idle(status, now) and not left:
                return
            if (done := _done(status)) != before:
                moved_at, before = now, done
            elif now - max(moved_at, (outage_at or 0.0) + _OUTAGE_S) > _STUCK_S:
                raise UnavailableError(f"nothing moved for {_STUCK_S:.0f} s: see pipeline doctor")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupted.wait(), _FRAME_S)

    def _providers(self) -> dict[str, ProviderSettings]:
        """Those that the enrichments ask, the first one of the first enrichment first."""
        found = {}
        for name in self.counts:
            for tier in self.catalogue.enrichment(name).spec.tiers:
                if tier.provider not in self.settings.providers:
                    raise UsageError(f"enrichment {name} asks {tier.provider}, which is not in the settings")
                found[tier.provider] = self.settings.providers[tier.provider]
        return found

    def _records(self) -> list[tuple[str, Output]]:
        """Everything to publish, the kinds mixed evenly."""
        now = datetime.now(UTC)
        mixed = []
        for name, count in self.counts.items():
            topic = self.catalogue.enrichment(name).input.topic
            stream = Stream(name, topic, self._codecs.codec(topic).encode)
            made = traffic(stream, count, self.run_id, self.run_id, now)
            mixed += [((number + 0.5) / count, name, output) for number, output in enumerate(made)]
        mixed.sort(key=lambda item: item[0])
        return [(name, output) for _, name, output in mixed]

    def _publish(self, records: Sequence[tuple[str, Output]]) -> None:
        began = time.monotonic()
        with Publisher(self.settings.kafka.client()) as publisher:
            for number, (name, output) in enumerate(records):
                due = began + _PUBLISH_S * number / len(records)
                if self._stop_publishing.wait(max(0.0, due - time.monotonic())):
                    return
                publisher.send(output)
                self._published[name] += 1

    async def _found(self, evidence: Evidence) -> dict[str, Found]:
        """What the topics hold. Other workers of the group may still have records of this run: they get some time."""
        deadline = time.monotonic() + _OTHERS_S
        while True:
            found = await evidence.read(list(self.counts))
            if not any(one.balance.missing for one in found.values()) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(1.0)

    async def _examples(self, evidence: Evidence, found: Mapping[str, Found], day: BadDay | None) -> dict[str, Example]:
        bodies = [] if day is None else await asyncio.to_thread(day.simulator.prompts)
        return {
            name: await evidence.with_prompt(self.catalogue.enrichment(name), one.examples, bodies)
            for name, one in found.items()
            if one.examples
        }

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._interrupted.set)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


class _Rates:
    """Records a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[str, int]]] = deque()

    def of(self, now: float, counts: Mapping[str, int]) -> dict[str, float]:
        self._seen.append((now, counts))
        while now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        then, earlier = self._seen[0]
        return {name: (count - earlier.get(name, 0)) / max(now - then, _FRAME_S) for name, count in counts.items()}


class _Lines(logging.Handler):
    def __init__(self, lines: deque[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        self._lines.append(f"{at} {record.getMessage()}")


@contextlib.contextmanager
def _listening(lines: deque[str]) -> Iterator[None]:
    """Warnings become lines of the view instead of breaking it."""
    root = logging.getLogger()
    before, handler = list(root.handlers), _Lines(lines)
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before


def _idle(status: WorkerStatus, now: float) -> bool:
    return all(engine.idle_for(now) >= _IDLE_S for engine in status.engines.values())


def _done(status: WorkerStatus) -> int:
    return sum(tally.enriched + tally.dead_letters + tally.skipped for tally in status.tallies.values())


def _happening(first: str | None, outage_at: float | None, left: float, published: bool) -> str:
    if first is None:
        return "real providers: nothing is injected"
    if outage_at is None:
        return "simulated providers, an ordinary bad day: 429s and faults"
    if left:
        return f"simulated outage: {first} answers 503 for {left:.0f} s more"
    return f"{first} is back" + ("; the last records are on their way" if published else "")
