"""Quotas let through what the vendors let through, and say when to come back."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.simulator.quota import Admitted, Charge, Limits, Meter, Quota, Refused

requests = st.lists(
    st.tuples(st.floats(0, 20, allow_nan=False), st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=60
)


@given(
    requests,
    st.integers(1, 300),
    st.integers(1, 30_000),
    st.sampled_from([1.0, 5.0, 60.0]),
    st.sampled_from(list(Charge)),
)
def test_nothing_is_admitted_beyond_the_bucket_and_its_refill(
    steps: list[tuple[float, int, int]], rpm: int, tpm: int, burst_s: float, charge: Charge
) -> None:
    limits, quota, now = Limits(requests=rpm, tokens=tpm, burst_s=burst_s, charge=charge), Quota(), 0.0
    admitted: list[tuple[float, int]] = []
    for pause, prompt, most in steps:
        now += pause
        if isinstance(quota.admit(now, limits, prompt, most), Admitted):
            admitted.append((now, prompt + most))
    for first in range(len(admitted)):
        span = admitted[-1][0] - admitted[first][0]
        assert len(admitted) - first <= rpm * (burst_s + span) / 60 + 1e-3
        assert sum(amount for _, amount in admitted[first:]) <= tpm * (burst_s + span) / 60 + 1e-3


@given(requests, st.integers(2, 300), st.integers(1000, 30_000))
def test_who_waits_as_long_as_told_is_let_in(steps: list[tuple[float, int, int]], rpm: int, tpm: int) -> None:
    limits, quota, now = Limits(requests=rpm, tokens=tpm), Quota(), 0.0
    for pause, prompt, most in steps:
        now += pause
        for _ in range(6):  # one quota after the other may ask for a wait, and a refusal for tokens costs a request
            answer = quota.admit(now, limits, prompt, most)
            if isinstance(answer, Admitted):
                break
            assert 0 < answer.wait_s < math.inf
            now += answer.wait_s
        assert isinstance(answer, Admitted)


def test_a_request_larger_than_the_quota_never_fits() -> None:
    answer = Quota().admit(0.0, Limits(tokens=1000), 900, 200)
    assert isinstance(answer, Refused)
    assert (answer.meter, answer.requested, answer.wait_s) == (Meter.TOKENS, 1100, math.inf)


def test_openai_keeps_the_whole_reservation_unless_told_to_settle() -> None:
    for charge, second in ((Charge.RESERVED, Refused), (Charge.SETTLED, Admitted)):
        limits, quota = Limits(tokens=1000, charge=charge), Quota()
        first = quota.admit(0.0, limits, 100, 800)
        assert isinstance(first, Admitted)
        quota.settle(0.0, limits, first, input_tokens=100, cached=0, output=50)
        assert isinstance(quota.admit(0.0, limits, 100, 700), second)


def test_openai_counts_a_request_refused_for_its_tokens() -> None:
    limits, quota = Limits(requests=2, tokens=100), Quota()
    for _ in range(2):
        assert isinstance(quota.admit(0.0, limits, 200, 1), Refused)
    answer = quota.admit(0.0, limits, 1, 1)
    assert isinstance(answer, Refused)
    assert answer.meter is Meter.REQUESTS


def test_anthropic_counts_output_as_written_and_not_max_tokens() -> None:
    limits, quota = Limits(input_tokens=10_000, output_tokens=100), Quota()
    first = quota.admit(0.0, limits, 10, 100_000)
    assert isinstance(first, Admitted)
    quota.settle(0.0, limits, first, input_tokens=10, cached=0, output=150)
    second = quota.admit(0.0, limits, 10, 1)
    assert isinstance(second, Refused)
    assert second.meter is Meter.OUTPUT_TOKENS
    assert second.wait_s == pytest.approx(51 * 60 / 100)


def test_anthropic_gives_back_what_was_read_from_the_prompt_cache() -> None:
    limits, quota = Limits(input_tokens=1000), Quota()
    first = quota.admit(0.0, limits, 1000, 1)
    assert isinstance(first, Admitted)
    quota.settle(0.0, limits, first, input_tokens=1000, cached=900, output=1)
    assert isinstance(quota.admit(0.0, limits, 900, 1), Admitted)


def test_a_quota_cut_while_running_holds_at_once_and_one_set_late_starts_full() -> None:
    quota = Quota()
    for _ in range(50):
        quota.admit(0.0, Limits(requests=100), 1, 1)
    assert isinstance(quota.admit(0.0, Limits(requests=50), 1, 1), Refused)
    assert isinstance(quota.admit(0.0, Limits(requests=100), 1, 1), Admitted)
    unlimited = Quota()
    for _ in range(1000):
        unlimited.admit(0.0, Limits(), 100, 100)
    assert isinstance(unlimited.admit(0.0, Limits(tokens=200), 100, 100), Admitted)


def test_readings_fall_with_use_and_rise_again_until_the_quota_is_full() -> None:
    limits, quota = Limits(requests=60, tokens=6000, burst_s=10), Quota()
    remaining = []
    for _ in range(5):
        quota.admit(0.0, limits, 50, 50)
        remaining.append([reading.remaining for reading in quota.readings(0.0, limits)])
    assert all(later[0] < earlier[0] and later[1] < earlier[1] for earlier, later in pairwise(remaining))
    reset_s = max(reading.reset_s for reading in quota.readings(0.0, limits))
    assert [reading.remaining for reading in quota.readings(reset_s, limits)] == [60, 6000]


def test_time_that_goes_back_gives_nothing() -> None:
    limits, quota = Limits(requests=1), Quota()
    assert isinstance(quota.admit(100.0, limits, 1, 1), Admitted)
    assert isinstance(quota.admit(0.0, limits, 1, 1), Refused)
    assert isinstance(quota.admit(100.0, limits, 1, 1), Refused)
