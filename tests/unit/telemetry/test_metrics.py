"""What an operator sees of the gateway without opening a log."""

from __future__ import annotations

from decimal import Decimal

from pipeline.llm import CacheStatus, GatewayStatus, Sharing
from pipeline.telemetry.metrics import _COUNTERS, _GAUGES
from pipeline.telemetry.status import WorkerStatus


def shown(gateway: GatewayStatus) -> dict[str, dict[str, float]]:
    """Metric to its values by label."""
    status = WorkerStatus({}, {}, gateway)
    return {
        name: {" ".join(map(str, (found.attributes or {}).values())): found.value for found in observe(status)}
        for name, _, _, observe in (*_COUNTERS, *_GAUGES)
    }


def test_a_lost_redis_is_seen() -> None:
    assert shown(GatewayStatus((), Sharing.AWAY))["pipeline_quota_sharing"] == {"alone": 0, "shared": 0, "away": 1}
    assert shown(GatewayStatus((), Sharing.SHARED))["pipeline_quota_sharing"] == {"alone": 0, "shared": 1, "away": 0}


def test_what_the_cache_saves_and_the_budgets_hold_is_seen() -> None:
    found = shown(GatewayStatus((), cache=CacheStatus(3, 2, 1, 10, Decimal("0.25"), similar=4), held=7))
    assert found["pipeline_cache_answers"] == {"hit": 3, "shared": 2, "stale": 1, "similar": 4, "miss": 10}
    assert found["pipeline_cache_saved_usd"] == {"": 0.25}
    assert found["pipeline_budget_held_records"] == {"": 7}
