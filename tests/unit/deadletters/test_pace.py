"""A paced replay keeps its rate and does not make up for a stall by a burst."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pipeline.deadletters.pace import Pace


def test_the_first_go_at_once_and_the_next_when_their_time_has_come() -> None:
    pace = Pace(10)
    assert pace.due(100.0, 5) == 0
    assert pace.due(100.0, 5) == 0.5
    assert pace.due(100.5, 5) == 0.5


def test_a_stall_is_not_made_up_for() -> None:
    pace = Pace(10)
    pace.due(100.0, 10)
    assert pace.due(500.0, 10) == 0
    assert pace.due(500.0, 10) == 1.0


def test_no_rate_does_not_wait() -> None:
    pace = Pace(0)
    assert [pace.due(1.0, 1000) for _ in range(3)] == [0, 0, 0]


@given(st.floats(0.1, 1000), st.lists(st.tuples(st.floats(0, 10), st.integers(1, 100)), min_size=1, max_size=50))
def test_no_span_holds_more_than_the_rate_and_one_batch(rate: float, steps: list[tuple[float, int]]) -> None:
    pace, now, went = Pace(rate), 0.0, list[tuple[float, int]]()
    for stall, records in steps:
        now += stall
        now += pace.due(now, records)
        went.append((now, records))
    for first in range(len(went)):
        sent = sum(records for _, records in went[first:-1])
        assert sent <= rate * (went[-1][0] - went[first][0]) * (1 + 1e-9) + 1e-6
