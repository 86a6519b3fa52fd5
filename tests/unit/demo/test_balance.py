"""The demo's balance closes only when every record came out once and in order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from pipeline.demo.balance import Came, Paid, Sent, balance, out_of_order

SENT = [Sent(f"E-{number}", 1000 + number) for number in range(6)]
DONE = [
    Came(f"E-{number}", b"K-%d" % (number % 2), number % 2, number // 2, number % 2, number // 2, 2000 + number)
    for number in range(6)
]
DIED = replace(DONE[5], cause="empty_value", at_ms=5500)
PAID = [Paid(1, Decimal("0.0001")), Paid(3, Decimal("0.0002")), Paid(0, Decimal(0), cached=True)]


def test_it_closes_when_everything_came_out_once() -> None:
    found = balance(SENT, DONE[:5], [DIED], PAID)
    assert found.closes
    assert (found.published, found.enriched, found.dead_letters) == (6, 5, {"empty_value": 1})
    assert (found.missing, found.strange, found.duplicates, found.out_of_order) == (0, 0, 0, 0)
    assert (found.calls, found.cached, found.cost_usd) == (4, 1, Decimal("0.0003"))
    assert found.keys == 2
    assert found.seconds == 4.5


def test_a_lost_record_keeps_it_open() -> None:
    found = balance(SENT, DONE[:4], [DIED], [])
    assert (found.missing, found.closes) == (1, False)


@pytest.mark.parametrize(
    ("enriched", "dead"),
    [([*DONE[:5], replace(DONE[0], offset=9)], [DIED]), (DONE, [DIED]), (DONE[:5], [DIED, replace(DIED, offset=9)])],
    ids=["two outputs", "an output and a dead letter", "two dead letters"],
)
def test_a_record_that_came_out_twice_keeps_it_open(enriched: list[Came], dead: list[Came]) -> None:
    found = balance(SENT, enriched, dead, [])
    assert (found.duplicates, found.closes) == (1, False)


def test_a_lost_and_a_doubled_record_do_not_cancel_out() -> None:
    found = balance(SENT, [*DONE[:4], replace(DONE[0], offset=9)], [DIED], [])
    assert (found.missing, found.duplicates, found.closes) == (1, 1, False)


def test_an_output_of_nothing_that_was_sent_keeps_it_open() -> None:
    found = balance(SENT, [*DONE[:5], replace(DONE[0], event_id="E-9", offset=9)], [DIED], [])
    assert (found.strange, found.closes) == (1, False)


def test_records_of_a_key_that_changed_places_keep_it_open() -> None:
    swapped = [replace(DONE[0], offset=1), *DONE[1:2], replace(DONE[2], offset=0), *DONE[3:5]]
    found = balance(SENT, swapped, [DIED], [])
    assert (found.out_of_order, found.closes) == (1, False)


def test_order_is_asked_of_one_key_only() -> None:
    other_key = [replace(DONE[0], key=b"K-x", offset=1), replace(DONE[2], key=b"K-y", offset=0)]
    no_key = [replace(record, key=None) for record in (replace(DONE[0], offset=1), replace(DONE[2], offset=0))]
    assert out_of_order(other_key) == out_of_order(no_key) == 0


def test_a_key_that_came_out_in_two_partitions_has_no_order() -> None:
    assert out_of_order([DONE[0], replace(DONE[2], partition=7)]) == 1


def test_nothing_at_all_is_no_balance_but_no_failure_either() -> None:
    found = balance([], [], [], [])
    assert (found.published, found.seconds, found.closes) == (0, 0.0, True)
