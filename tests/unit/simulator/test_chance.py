"""The same seed and the same requests give the same latencies, faults and answers; their shares are those set."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.simulator.draws import Draws, Occurrences, draw, fingerprint
from pipeline.simulator.faults import Fault, Outage, OutageKind, choose, outage_at
from pipeline.simulator.latency import LogNormal


def _many(seed: int = 1) -> list[Draws]:
    return [draw(seed, fingerprint("openai", f"text {number}"), 0) for number in range(20_000)]


@given(st.integers(0, 2**63 - 1), st.text(), st.integers(0, 1000))
def test_a_request_draws_the_same_again(seed: int, text: str, nth: int) -> None:
    drawn = draw(seed, fingerprint(text), nth)
    assert drawn == draw(seed, fingerprint(text), nth)
    assert 0 < drawn.latency < 1
    assert 0 < drawn.fault < 1
    assert 0 < drawn.field("confidence") < 1
    assert drawn != draw(seed, fingerprint(text), nth + 1)
    assert drawn != draw(seed + 1, fingerprint(text), nth)
    assert drawn != draw(seed, fingerprint(text, ""), nth)


def test_latencies_have_the_median_and_99th_percentile_set() -> None:
    latency = LogNormal(0.8, 4.0)
    cuts = statistics.quantiles([latency.at(drawn.latency) for drawn in _many()], n=100)
    assert cuts[49] == pytest.approx(0.8, rel=0.03)
    assert cuts[98] == pytest.approx(4.0, rel=0.06)
    assert latency.at(0.5) == pytest.approx(0.8)
    assert latency.at(0.99) == pytest.approx(4.0)


@given(st.floats(0.0001, 0.9999), st.floats(0.0001, 0.9999))
def test_latency_grows_with_its_draw(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert LogNormal(0.2, 1.0).at(low) <= LogNormal(0.2, 1.0).at(high)
    assert LogNormal(0.0, 0.0).at(a) == 0.0
    assert LogNormal(0.3, 0.3).at(a) == pytest.approx(0.3)


def test_faults_come_at_the_shares_set_and_independent_of_latency() -> None:
    shares = {Fault.RATE_LIMIT: 0.05, Fault.REFUSAL: 0.01, Fault.TIMEOUT: 0.2}
    drawn = _many(seed=3)
    chosen = [choose(shares, one.fault) for one in drawn]
    for fault, share in shares.items():
        assert chosen.count(fault) / len(chosen) == pytest.approx(share, rel=0.15)
    slow = [one for one in drawn if one.latency > 0.5]
    hit = [one for one in slow if choose(shares, one.fault) is not None]
    assert len(hit) / len(slow) == pytest.approx(0.26, rel=0.1)


@given(st.dictionaries(st.sampled_from(list(Fault)), st.floats(0, 0.05), max_size=20), st.floats(0.0001, 0.9999))
def test_at_most_one_fault_is_chosen_and_none_of_share_zero(shares: dict[Fault, float], u: float) -> None:
    fault = choose(shares, u)
    assert fault is None or shares[fault] > 0
    assert (fault is None) == (u >= sum(shares.values())) or abs(u - sum(shares.values())) < 1e-9


def test_an_outage_begins_and_ends_on_time() -> None:
    outages = [Outage(10.0, 30.0, OutageKind.UNAVAILABLE), Outage(20.0, 40.0, OutageKind.HANG)]
    seen = [found.kind if (found := outage_at(outages, now)) else None for now in (9.9, 10.0, 29.9, 30.0, 40.0)]
    assert seen == [None, OutageKind.UNAVAILABLE, OutageKind.UNAVAILABLE, OutageKind.HANG, None]


def test_repeats_are_counted_in_bounded_memory() -> None:
    occurrences = Occurrences(limit=100)
    assert [occurrences.next(b"a"), occurrences.next(b"a"), occurrences.next(b"b")] == [0, 1, 0]
    for number in range(99):
        occurrences.next(str(number).encode())
        occurrences.next(b"b")
    assert occurrences.next(b"b") == 100
    assert occurrences.next(b"a") == 0, "the one not seen for longest is forgotten"
