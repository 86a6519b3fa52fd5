"""Cadence: finished records wait little, and the broker is not flooded with commits."""

from __future__ import annotations

import pytest
from pipeline.stream.cadence import Cadence, CadencePolicy

POLICY = CadencePolicy(longest=0.05, shortest=0.01, share=0.5, first_retry=0.01, longest_retry=1.0)


def commit(cadence: Cadence, took: float, times: int, now: float = 0.0) -> float:
    for _ in range(times):
        now = max(now, cadence.due())
        cadence.began(now)
        now += took
        cadence.committed(now)
    return now


def test_the_first_finished_record_is_released_at_once() -> None:
    assert Cadence(POLICY).due() == float("-inf")


@pytest.mark.parametrize(("took", "interval"), [(0.001, 0.01), (0.01, 0.02), (0.02, 0.04), (0.2, 0.05)])
def test_commits_take_at_most_the_set_share_of_the_time_within_the_bounds(took: float, interval: float) -> None:
    cadence = Cadence(POLICY)
    commit(cadence, took, 50)
    assert cadence.interval == pytest.approx(interval, rel=0.01)


def test_one_slow_commit_among_quick_ones_hardly_slows_the_next() -> None:
    cadence = Cadence(POLICY)
    now = commit(cadence, 0.005, 50)
    commit(cadence, 0.02, 1, now)
    assert cadence.interval < 0.02


def test_failures_back_off_up_to_a_bound_and_one_success_forgets_them() -> None:
    cadence, now, waits = Cadence(POLICY), 0.0, []
    for _ in range(12):
        cadence.began(now)
        cadence.failed(now)
        waits.append(cadence.due(hurry=True) - now)
        now = cadence.due()
    assert waits[:3] == pytest.approx([0.01, 0.02, 0.04])
    assert max(waits) == pytest.approx(1.0)
    cadence.began(now)
    cadence.committed(now + 0.005)
    assert cadence.due(hurry=True) == float("-inf")


def test_a_moving_partition_does_not_wait_for_the_interval() -> None:
    cadence = Cadence(POLICY)
    now = commit(cadence, 0.02, 5)
    assert cadence.due() > now
    assert cadence.due(hurry=True) <= now
