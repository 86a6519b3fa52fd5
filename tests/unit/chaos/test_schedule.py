"""A campaign that failed must be able to fail again in the same way."""

from tests.chaos.schedule import Kind, schedule


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert schedule(7, 10, 5.0) == schedule(7, 10, 5.0)
    assert schedule(7, 10, 5.0) != schedule(8, 10, 5.0)


def test_each_kind_happens_and_in_the_order_of_progress() -> None:
    for seed in range(20):
        faults = schedule(seed, 5, 5.0)
        assert {fault.kind for fault in faults} == set(Kind)
        assert [fault.share for fault in faults] == sorted(fault.share for fault in faults)
