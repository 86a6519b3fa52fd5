"""Pauses an enrichment whose records die too often, and lets it go on: after a while by itself, or when told to."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipeline.deadletters.guard import Guard, GuardPolicy
from pipeline.deadletters.ledgers import OPERATION_TOPIC
from pipeline.errors import PipelineError, RecordError
from pipeline.serde import Decoder, decode_now
from pipeline.stream.reader import read

_log = logging.getLogger(__name__)

Resumed = Callable[[datetime, threading.Event], Iterator[str]]
"""Names of enrichments that people resumed since then, as it happens, until the event is set. Blocks."""


class Pausable(Protocol):
    """What is paused: an engine."""

    def pause(self, reason: str) -> None: ...
    def resume(self, at_once: int = 0) -> None: ...


class Pausing:
    """One worker's guards. On the event loop."""

    def __init__(
        self, engines: Mapping[str, Pausable], policy: GuardPolicy, probe_after: timedelta, resumed: Resumed
    ) -> None:
        self._engines, self._probe_after, self._resumed = engines, probe_after.total_seconds(), resumed
        self._probe_records = policy.probe
        self._guards = {name: Guard(policy) for name in engines}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stop = threading.Event()
        self.reasons: dict[str, str] = {}
        """Why enrichments were paused of which nothing has come out since, by name."""

    def record(self, enrichment: str, fingerprint: str | None) -> None:
        """Takes in what became of a record: the fingerprint of its dead letter, None when it was enriched."""
        guard = self._guards[enrichment]
        probing = guard.probing
        reason = guard.record(died=fingerprint is not None, fingerprint=fingerprint or "")
        if reason is None:
            if probing and not guard.probing:
                _log.warning("%s goes on: a record came out", enrichment)
                self.reasons.pop(enrichment, None)
                self._engines[enrichment].resume()
            return
        loop = asyncio.get_running_loop()
        _log.error("%s paused for %g s: %s", enrichment, self._probe_after, reason)
        self.reasons[enrichment] = reason
        self._engines[enrichment].pause(reason)
        if not self._timers:
            self._stop = threading.Event()
            listening = (loop, datetime.now(UTC), self._stop)
            threading.Thread(target=self._listen, args=listening, name="resume", daemon=True).start()
        if enrichment not in self._timers:
            self._timers[enrichment] = loop.call_later(self._probe_after, self._probe, enrichment)

    def resume(self, enrichment: str) -> None:
        """Lets it go on, when it is paused or on probation."""
        guard = self._guards[enrichment]
        if self._ended(enrichment) or guard.probing:
            guard.trust()
            self.reasons.pop(enrichment, None)
            _log.warning("%s goes on", enrichment)
            self._engines[enrichment].resume()

    def _probe(self, enrichment: str) -> None:
        """Tries a few records: when they die, too, it is paused again before many have."""
        if self._ended(enrichment):
            _log.warning("%s tries %d records", enrichment, self._probe_records)
            self._guards[enrichment].probe()
            self._engines[enrichment].resume(self._probe_records)

    def _ended(self, enrichment: str) -> bool:
        """Takes note of the end of a pause; False when there was none."""
        timer = self._timers.pop(enrichment, None)
        if timer is None:
            return False
        timer.cancel()
        if not self._timers:
            self._stop.set()
        return True

    def close(self) -> None:
        """Nobody is listened to any more."""
        self._stop.set()

    def _listen(self, loop: asyncio.AbstractEventLoop, since: datetime, stop: threading.Event) -> None:
        try:
            for name in self._resumed(since, stop):
                loop.call_soon_threadsafe(self.resume, name)
        except (PipelineError, RuntimeError) as error:
            _log.warning("nobody can resume this worker until it tries by itself (%s)", type(error).__name__)


def resumed_by_people(client: Mapping[str, str], decoder: Decoder) -> Resumed:
    """As the topic of operations tells."""

    def listen(since: datetime, stop: threading.Event) -> Iterator[str]:
        for record in read(client, [OPERATION_TOPIC], until_end=False, start=since, stop=stop):
            try:
                done = decode_now(decoder, record.value or b"").record
            except RecordError:
                continue
            if (done["action"], done["result"]) == ("resume", "done"):
                yield str(done["enrichment"])

    return listen
