"""A model that fails is left alone, tried again by one call, and trusted again when that succeeds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm.breaker import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(consecutive_failures=3, min_calls=10, failure_share=0.5, open_s=1.0, growth=2.0, max_open_s=3.0)


def state(breaker: Breaker) -> BreakerState:
    return breaker.state


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(3):
        fail(breaker, now)
    assert state(breaker) is BreakerState.OPEN
    return breaker


def fail(breaker: Breaker, now: float) -> None:
    ticket = breaker.admit(now)
    assert ticket is not None
    breaker.failed(now, ticket)


def succeed(breaker: Breaker, now: float) -> None:
    ticket = breaker.admit(now)
    assert ticket is not None
    breaker.succeeded(now, ticket)


def test_consecutive_failures_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker(POLICY)
    for now in (0, 100, 200, 300):
        fail(breaker, now)
        fail(breaker, now)
        succeed(breaker, now)
    assert state(breaker) is BreakerState.CLOSED
    for _ in range(3):
        fail(breaker, 400)
    assert state(breaker) is BreakerState.OPEN
    assert breaker.opened == 1


def test_half_of_the_calls_failing_opens_it_once_there_are_enough_to_judge() -> None:
    breaker = Breaker(POLICY)
    for _ in range(4):
        fail(breaker, 0)
        succeed(breaker, 0)
    assert state(breaker) is BreakerState.CLOSED
    succeed(breaker, 0)
    fail(breaker, 0)
    assert state(breaker) is BreakerState.OPEN


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = Breaker(POLICY)
    for _ in range(4):
        fail(breaker, 0)
        succeed(breaker, 0)
    succeed(breaker, POLICY.window_s + 1)
    fail(breaker, POLICY.window_s + 1)
    assert state(breaker) is BreakerState.CLOSED


def test_slow_calls_open_it() -> None:
    hanging = Breaker(POLICY)
    for _ in range(3):
        ticket = hanging.admit(0)
        assert ticket is not None
        hanging.slowed(10, ticket)
    assert state(hanging) is BreakerState.OPEN, "as soon as several in a row are"
    crawling = Breaker(replace(POLICY, consecutive_failures=100))
    for slow in (True, True, False, True, True, True, True, True, True, False):
        assert state(crawling) is BreakerState.CLOSED
        ticket = crawling.admit(0)
        assert ticket is not None
        if slow:
            crawling.slowed(10, ticket)
        else:
            crawling.succeeded(10, ticket)
    ticket = crawling.admit(10)
    assert ticket is not None
    crawling.slowed(10, ticket)
    assert state(crawling) is BreakerState.OPEN, "and when most are"


def test_one_probe_goes_through_when_the_time_has_come() -> None:
    breaker = opened()
    assert breaker.admit(0.99) is None
    assert breaker.admit(1.0) is not None
    assert breaker.admit(1.0) is None, "a second probe went beside the first"
    assert state(breaker) is BreakerState.HALF_OPEN


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    succeed(breaker, 1.0)
    assert state(breaker) is BreakerState.CLOSED


def test_each_failed_probe_makes_the_next_wait_longer_up_to_the_cap() -> None:
    breaker = opened()
    now, waits = 0.0, []
    for _ in range(4):
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        fail(breaker, now)
    assert waits == [1.0, 2.0, 3.0, 3.0]
    assert breaker.opened == 1, "failed probes are the same outage"


def test_the_wait_is_short_again_after_a_recovery() -> None:
    breaker = opened()
    fail(breaker, 1.0)
    succeed(breaker, 3.0)
    for _ in range(3):
        fail(breaker, 10.0)
    assert breaker.probe_at == 11.0


def test_results_of_calls_that_began_before_it_opened_are_dropped() -> None:
    breaker = Breaker(POLICY)
    early = breaker.admit(0)
    assert early is not None
    for _ in range(3):
        fail(breaker, 0)
    breaker.succeeded(0.5, early)
    assert state(breaker) is BreakerState.OPEN
    probe = breaker.admit(1.0)
    breaker.failed(1.1, early)
    assert state(breaker) is BreakerState.HALF_OPEN, "a late failure was taken for the probe's"
    assert probe is not None


def test_a_cancelled_probe_leaves_its_place_to_the_next() -> None:
    breaker = opened()
    probe = breaker.admit(1.0)
    assert probe is not None
    breaker.abandoned(1.5, probe)
    assert breaker.admit(1.5) is not None


def test_a_lock_out_opens_it_at_once_and_for_long() -> None:
    breaker = Breaker(POLICY)
    breaker.locked_out(0)
    assert state(breaker) is BreakerState.OPEN
    assert breaker.admit(POLICY.locked_out_s - 0.1) is None
    succeed(breaker, POLICY.locked_out_s)
    assert state(breaker) is BreakerState.CLOSED


def test_a_model_that_is_waited_for_is_probed_sooner_unless_a_person_must_mend_it() -> None:
    breaker = opened()
    fail(breaker, 1.0)
    fail(breaker, breaker.probe_at)
    assert breaker.probe_at == 6.0
    patient = Breaker(replace(POLICY, max_open_s=60))
    for _ in range(3):
        fail(patient, 0)
    for _ in range(6):
        fail(patient, patient.probe_at)
    last = patient.probe_at - 60
    patient.awaited()
    assert patient.probe_at == last + POLICY.awaited_open_s
    patient.locked_out(100)
    patient.awaited()
    patient.seen_alive(100)
    assert patient.probe_at == 100 + POLICY.locked_out_s


def test_a_provider_seen_alive_is_probed_at_once() -> None:
    breaker = opened()
    fail(breaker, 1.0)
    breaker.seen_alive(1.5)
    assert breaker.admit(1.5) is not None


@given(st.lists(st.tuples(st.sampled_from(["admit", "ok", "fail", "abandon"]), st.floats(0, 2)), max_size=200))
def test_whatever_happens_at_most_one_call_is_on_its_way_while_half_open(events: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(POLICY), 0.0
    tickets: list[tuple[int, bool]] = []
    for event, seconds in events:
        now += seconds
        if event == "admit":
            ticket = breaker.admit(now)
            if ticket is not None:
                tickets.append((ticket, breaker.state is BreakerState.HALF_OPEN))
        elif tickets:
            ticket, _ = tickets.pop(0)
            if event == "ok":
                breaker.succeeded(now, ticket)
            elif event == "fail":
                breaker.failed(now, ticket)
            else:
                breaker.abandoned(now, ticket)
        probes = [ticket for ticket, is_probe in tickets if is_probe]
        if breaker.state is BreakerState.HALF_OPEN:
            assert len(set(probes)) >= 1
            assert breaker.admit(now) is None
