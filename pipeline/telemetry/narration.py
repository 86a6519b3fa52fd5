"""What the engine and the gateway tell, as log lines an operator can follow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from pipeline.llm import BreakerChange, BudgetChange, CallDetails, SpendAlarm, Throttle
from pipeline.stream.observer import Partition, Silent
from pipeline.stream.record import Output, Record

_log = logging.getLogger(__name__)


class EngineNarrator(Silent):
    """Membership, abandoned producers and refused outputs of one enrichment's engine."""

    def __init__(
        self,
        enrichment: str,
        anew: Callable[[Collection[int]], None] = lambda _: None,
        begun: Callable[[Collection[int]], None] = lambda _: None,
    ) -> None:
        """`anew` is told the partitions that are this worker's now, `begun` those without a committed offset."""
        self._enrichment, self._anew, self._begun = enrichment, anew, begun

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None:
        self._anew({number for _, number in (*partitions, *resolving)})
        _log.info("%s: assigned %s%s", self._enrichment, _numbers(partitions), _pending(resolving))

    def begun(self, partitions: Sequence[Partition]) -> None:
        self._begun({number for _, number in partitions})
        _log.info("%s: %s without a committed offset, from the beginning", self._enrichment, _numbers(partitions))

    def resolved(self, partition: Partition, waited: timedelta) -> None:
        _log.info("%s: partition %d goes on after %.1f s", self._enrichment, partition[1], waited.total_seconds())

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None:
        _log.info(
            "%s: gave back %s in %.1f s, %d records in flight left to the next owner",
            self._enrichment,
            _numbers(partitions),
            took.total_seconds(),
            cancelled,
        )

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None:
        _log.warning("%s: lost %s, %d records in flight", self._enrichment, _numbers(partitions), cancelled)

    def aborted(self, reason: str) -> None:
        _log.info("%s: transaction aborted, tried again (%s)", self._enrichment, reason)

    def abandoned(self, reason: str) -> None:
        _log.warning("%s: producer given up, built again (%s)", self._enrichment, reason)

    def refused(self, record: Record, output: Output, reason: str) -> None:
        where = f"{record.topic}/{record.partition}/{record.offset}"
        _log.warning("%s: output of %s for %s refused (%s)", self._enrichment, where, output.topic, reason)

    def trouble(self, reason: str) -> None:
        _log.warning("%s: Kafka: %s; it waits and goes on", self._enrichment, reason)


class GatewayNarrator:
    """Breakers and throttling of the gateway. Single calls are no news."""

    def called(self, details: CallDetails) -> None:
        pass

    def breaker_changed(self, change: BreakerChange) -> None:
        level = logging.ERROR if change.alert else logging.WARNING
        alert = f": {change.alert}" if change.alert else ""
        _log.log(
            level, "%s %s: breaker %s, was %s%s", change.provider, change.model, change.after, change.before, alert
        )

    def throttled(self, throttle: Throttle) -> None:
        _log.info("%s %s: throttled for %.1f s", throttle.provider, throttle.model, throttle.pause_s)

    def budget_changed(self, change: BudgetChange) -> None:
        _log.warning("budget of %s: %s, was %s", change.budget, change.after, change.before)

    def spending_fast(self, alarm: SpendAlarm) -> None:
        _log.error("money is spent unusually fast: $%.2f in the last minutes", alarm.usd)


def _numbers(partitions: Sequence[Partition]) -> str:
    return f"partitions {', '.join(str(number) for _, number in sorted(partitions)) or 'none'}"


def _pending(resolving: Sequence[Partition]) -> str:
    return f" ({len(resolving)} wait for another worker's open transaction)" if resolving else ""
