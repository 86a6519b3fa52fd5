"""What only workers know, read from where they tell of themselves: who does not answer is said so."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import UsageError
from pipeline.settings import Settings

_PATIENCE_S: Final = 2.0
_MOST_BYTES: Final = 4 << 20
_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """One model as one worker sees it. `quota_used` is a share of the scarcest quota."""

    provider: str
    model: str
    breaker: str
    quota_used: float | None
    calls: float
    failed: float
    throttled: float


@dataclass(frozen=True, slots=True)
class Worker:
    """What stands at one address; `trouble` says why nothing does."""

    address: str
    trouble: str = ""
    models: Sequence[Model] = ()
    in_flight: Mapping[str, float] = field(default_factory=dict)
    """Records being enriched, by enrichment: those it works for."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Why, by enrichment; empty text where the worker does not say."""
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    held: float = 0.0
    """Records that wait for a budget."""


def addresses(settings: Settings) -> tuple[str, ...]:
    """Where workers are asked. Raises UsageError when one is no address of a web page."""
    given = settings.console.workers
    if not given and settings.telemetry.metrics_port:
        given = (f"http://127.0.0.1:{settings.telemetry.metrics_port}/metrics",)
    for address in given:
        if not _is_page(address):
            raise UsageError(f"console.workers: {address} does not read http://host:port/metrics")
    return tuple(given)


def _is_page(address: str) -> bool:
    try:
        parts = urlsplit(address)
        # What is no port raises only when it is asked for; port 0 is nobody's.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def ask(given: Sequence[str]) -> list[Worker]:
    """All of them at once, in their order."""
    if not given:
        return []
    with ThreadPoolExecutor(min(16, len(given))) as pool:
        return list(pool.map(_ask, given))


def _ask(address: str) -> Worker:
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE_S) as answer:
            return told(address, answer.read(_MOST_BYTES).decode("utf-8"))
    except urllib.error.HTTPError as error:
        return Worker(address, f"answers {error.code}: no worker's metrics are there")
    except OSError:
        return Worker(address, "does not answer: it has ended, or its metrics_port is another")
    except (ValueError, KeyError, IndexError, HTTPException):
        return Worker(address, "answers with something else than metrics")


def told(address: str, text: str) -> Worker:
    """A worker by its metrics. Raises ValueError when they are none, KeyError when they lack a label."""
    found: defaultdict[str, list[tuple[_Labels, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    if "pipeline_lag_records" not in found:
        raise ValueError("no worker's metrics")
    reasons = {labels["enrichment"]: labels["reason"] for labels, on in found["pipeline_paused_reason"] if on}
    return Worker(
        address,
        models=_models(found),
        in_flight=_by_enrichment(found["pipeline_in_flight_records"]),
        paused={name: reasons.get(name, "") for name, on in _by_enrichment(found["pipeline_paused"]).items() if on},
        oldest_s=_by_enrichment(found["pipeline_oldest_waiting_seconds"]),
        held=sum(value for _, value in found["pipeline_budget_held_records"]),
    )


def _models(found: Mapping[str, Sequence[tuple[_Labels, float]]]) -> list[Model]:
    states = {_route(labels): labels["state"] for labels, on in found.get("pipeline_breaker_state", ()) if on}
    numbers = {
        name: {_route(labels): value for labels, value in found.get(name, ())}
        for name in (
            "pipeline_quota_used_ratio",
            "pipeline_calls_total",
            "pipeline_calls_failed_total",
            "pipeline_calls_throttled_total",
        )
    }
    quota, calls, failed, throttled = numbers.values()
    return [
        Model(*route, state, quota.get(route), calls.get(route, 0), failed.get(route, 0), throttled.get(route, 0))
        for route, state in sorted(states.items())
    ]


def _route(labels: _Labels) -> tuple[str, str]:
    return labels["provider"], labels["model"]


def _by_enrichment(samples: Sequence[tuple[_Labels, float]]) -> dict[str, float]:
    return {labels["enrichment"]: value for labels, value in samples if "enrichment" in labels}
