"""Metrics, read from the worker's status when a scraper asks: nothing is measured on the record's way.

The names are a closed list; labels are enrichments, causes, stages, providers and models. Never a tenant's or a
record's value.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from pipeline.errors import UsageError
from pipeline.llm import Sharing
from pipeline.telemetry.status import WorkerStatus

_Observe = Callable[[WorkerStatus], Iterable[Observation]]


def serve(port: int, status: Callable[[], WorkerStatus], loop: asyncio.AbstractEventLoop) -> None:
    """Prometheus metrics on 127.0.0.1:`port` until the process ends. Raises UsageError when the port is taken.

    Scrapers come on threads of their own, `status` belongs to `loop`: it is asked there.
    """
    scraped = _Snapshot(status, loop)
    meter = MeterProvider(metric_readers=[PrometheusMetricReader()]).get_meter("pipeline")

    def observed(observe: _Observe) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: observe(scraped.latest())

    for name, unit, description, observe in _COUNTERS:
        meter.create_observable_counter(name, [observed(observe)], unit, description)
    for name, unit, description, observe in _GAUGES:
        meter.create_observable_gauge(name, [observed(observe)], unit, description)
    try:
        start_http_server(port, "127.0.0.1")
    except OSError as error:
        raise UsageError(
            f"metrics port {port} cannot be opened ({error.strerror}): set PIPELINE_TELEMETRY__METRICS_PORT"
        ) from None


class _Snapshot:
    """The worker's status as its event loop saw it, at most a second ago."""

    def __init__(self, status: Callable[[], WorkerStatus], loop: asyncio.AbstractEventLoop) -> None:
        self._status, self._loop = status, loop
        self._taken = -math.inf
        self._kept: WorkerStatus | None = None

    def latest(self) -> WorkerStatus:
        """Raises TimeoutError when the loop does not come to it; the exporter then leaves the metric out."""
        if self._kept is None or time.monotonic() - self._taken > 1:
            answer: Future[WorkerStatus] = Future()
            self._loop.call_soon_threadsafe(lambda: answer.set_result(self._status()))
            self._kept, self._taken = answer.result(timeout=2), time.monotonic()
        return self._kept


def _enriched(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(tally.enriched, {"enrichment": name}) for name, tally in status.tallies.items()]


def _safe(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(tally.safe, {"enrichment": name}) for name, tally in status.tallies.items()]


def _skipped(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(tally.skipped, {"enrichment": name}) for name, tally in status.tallies.items()]


def _dead(status: WorkerStatus) -> Iterable[Observation]:
    return [
        Observation(count, {"enrichment": name, "stage": stage, "cause": cause})
        for name, tally in status.tallies.items()
        for (stage, cause), count in tally.dead.items()
    ]


def _overtaken(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(tally.overtaken, {"enrichment": name}) for name, tally in status.tallies.items()]


def _chance(field: str) -> _Observe:
    def observe(status: WorkerStatus) -> Iterable[Observation]:
        return [Observation(getattr(one, field), {"enrichment": name}) for name, one in status.second_chances.items()]

    return observe


def _cost(field: str) -> _Observe:
    def observe(status: WorkerStatus) -> Iterable[Observation]:
        return [
            Observation(float(getattr(route, field)), {"provider": route.provider, "model": route.model})
            for route in status.gateway.routes
        ]

    return observe


def _route(field: str) -> _Observe:
    def observe(status: WorkerStatus) -> Iterable[Observation]:
        return [
            Observation(getattr(route, field), {"provider": route.provider, "model": route.model})
            for route in status.gateway.routes
        ]

    return observe


def _engine(field: str) -> _Observe:
    def observe(status: WorkerStatus) -> Iterable[Observation]:
        return [
            Observation(value, {"enrichment": name})
            for name, engine in status.engines.items()
            if (value := getattr(engine, field)) is not None
        ]

    return observe


def _breaker(status: WorkerStatus) -> Iterable[Observation]:
    """1 for the state a breaker is in."""
    return [
        Observation(1, {"provider": route.provider, "model": route.model, "state": str(route.breaker)})
        for route in status.gateway.routes
    ]


def _cache(status: WorkerStatus) -> Iterable[Observation]:
    cache = status.gateway.cache
    found = {
        "hit": cache.hits,
        "shared": cache.shared,
        "stale": cache.stale,
        "similar": cache.similar,
        "miss": cache.misses,
    }
    return [Observation(count, {"how": how}) for how, count in found.items()]


def _saved(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(float(status.gateway.cache.saved_usd))]


def _sharing(status: WorkerStatus) -> Iterable[Observation]:
    """1 for the state it is in."""
    return [Observation(int(status.gateway.sharing is state), {"state": str(state)}) for state in Sharing]


def _paused(status: WorkerStatus) -> Iterable[Observation]:
    """1 while the guard pauses it."""
    return [
        Observation(int(engine.paused_reason is not None), {"enrichment": name})
        for name, engine in status.engines.items()
    ]


def _reasons(status: WorkerStatus) -> Iterable[Observation]:
    """1 with the guard's own words, for as long as it pauses: they hold numbers and a fingerprint."""
    return [
        Observation(1, {"enrichment": name, "reason": engine.paused_reason})
        for name, engine in status.engines.items()
        if engine.paused_reason is not None
    ]


def _held(status: WorkerStatus) -> Iterable[Observation]:
    return [Observation(status.gateway.held)]


_COUNTERS: tuple[tuple[str, str, str, _Observe], ...] = (
    ("pipeline_records_enriched", "", "Records enriched", _enriched),
    ("pipeline_records_safe", "", "Records enriched with the safe answer", _safe),
    ("pipeline_records_skipped", "", "Records outside the enrichment's filter", _skipped),
    ("pipeline_records_dead", "", "Records that became dead letters", _dead),
    ("pipeline_second_chance_tries", "", "Dead letters sent again by themselves", _chance("tried")),
    ("pipeline_records_overtaken", "", "Records sent again by themselves that something newer overtook", _overtaken),
    ("pipeline_transactions", "", "Transactions committed", _engine("transactions")),
    ("pipeline_transactions_aborted", "", "Transactions aborted", _engine("aborted")),
    ("pipeline_calls", "", "Calls to a model", _route("calls")),
    ("pipeline_calls_throttled", "", "Calls answered 429", _route("throttled")),
    ("pipeline_calls_failed", "", "Calls that failed", _route("failed")),
    ("pipeline_calls_maybe_billed", "", "Calls whose answer got lost on the way back", _route("maybe_billed")),
    ("pipeline_input_tokens", "", "Tokens read by a model", _route("input_tokens")),
    ("pipeline_output_tokens", "", "Tokens written by a model", _route("output_tokens")),
    ("pipeline_cost_usd", "", "Price of all calls in US dollars, rounded", _cost("cost_usd")),
    ("pipeline_cost_unsettled_usd", "", "What calls without an answer may be billed at most", _cost("unsettled_usd")),
    ("pipeline_breaker_opened", "", "Times a breaker opened", _route("breaker_opened")),
    ("pipeline_cache_answers", "", "Questions by whether an answer was there already", _cache),
    ("pipeline_cache_saved_usd", "", "Price of the calls that were not made again, in US dollars", _saved),
)
_GAUGES: tuple[tuple[str, str, str, _Observe], ...] = (
    ("pipeline_lag_records", "", "Records not yet committed", _engine("lag")),
    ("pipeline_in_flight_records", "", "Records being enriched", _engine("in_flight")),
    ("pipeline_waiting_records", "", "Records that wait for their key's turn", _engine("waiting")),
    ("pipeline_oldest_waiting_seconds", "s", "Age of the oldest record not finished", _engine("oldest_waiting_s")),
    ("pipeline_quota_used_ratio", "", "Share of the scarcest quota in use", _route("quota_used")),
    ("pipeline_breaker_state", "", "1 for the state a breaker is in", _breaker),
    ("pipeline_quota_sharing", "", "1 for how quotas are shared with other workers", _sharing),
    ("pipeline_paused", "", "1 while too many dead letters pause an enrichment", _paused),
    ("pipeline_paused_reason", "", "1 with why the guard pauses an enrichment", _reasons),
    ("pipeline_second_chance_waiting", "", "Dead letters that wait for their next try", _chance("waiting")),
    ("pipeline_budget_held_records", "", "Records that wait because a budget is spent", _held),
)
