"""The guard pauses when too many die, not when a few do, and starts anew after a pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pipeline.deadletters.guard import Guard, GuardPolicy

POLICY = GuardPolicy(share=0.5, window=10)


def test_nothing_is_said_before_the_window_is_full() -> None:
    guard = Guard(POLICY)
    assert [guard.record(died=True) for _ in range(9)] == [None] * 9
    assert guard.record(died=True) == "10 of the last 10 records became dead letters"


def test_a_share_below_the_bound_is_borne_for_ever() -> None:
    guard = Guard(POLICY)
    assert all(guard.record(died=number % 5 < 2) is None for number in range(500))


def test_deaths_older_than_the_window_are_forgotten() -> None:
    guard = Guard(POLICY)
    for died in [True] * 4 + [False] * 10 + [True] * 4:
        assert guard.record(died=died) is None


def test_after_a_pause_a_whole_window_is_seen_before_the_next() -> None:
    guard = Guard(POLICY)
    said = [guard.record(died=True) is not None for _ in range(30)]
    assert [place for place, paused in enumerate(said, 1) if paused] == [10, 20, 30]


@given(st.lists(st.booleans(), max_size=200))
def test_it_pauses_exactly_when_the_last_window_holds_the_share(outcomes: list[bool]) -> None:
    guard, seen = Guard(POLICY), list[bool]()
    for died in outcomes:
        seen.append(died)
        due = len(seen) >= 10 and sum(seen[-10:]) >= 5
        assert (guard.record(died=died) is not None) == due
        if due:
            seen.clear()


def test_a_run_of_one_fingerprint_pauses_before_the_window_is_full() -> None:
    guard = Guard(GuardPolicy(share=0.5, window=100, run=4))
    said = [guard.record(died=True, fingerprint="f1") for _ in range(8)]
    assert [place for place, reason in enumerate(said, 1) if reason] == [4, 8]
    assert said[3] == "4 dead letters in a row have the fingerprint f1"


def test_a_run_that_pauses_while_it_tries_ends_the_trial() -> None:
    """What comes out of the records that were in flight then must not let it go on."""
    guard = Guard(GuardPolicy(share=0.5, window=100, run=5, probe=10))
    guard.probe()
    said = [guard.record(died=True, fingerprint="f1") for _ in range(5)]
    assert said[4] == "5 dead letters in a row have the fingerprint f1"
    assert not guard.probing


def test_an_enriched_record_or_another_fingerprint_breaks_a_run() -> None:
    guard = Guard(GuardPolicy(share=1, window=100, run=3))
    for fingerprint in ("f1", "f1", "f2", "f2", "", "f1", "f1", "f2", "f1"):
        assert guard.record(died=bool(fingerprint), fingerprint=fingerprint) is None
