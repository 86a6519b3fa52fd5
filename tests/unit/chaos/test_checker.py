"""The checker of the chaos tests must see what it is there to see."""

from __future__ import annotations

from pipeline.stream.record import Record
from tests.chaos.checker import Coordinates, check


def record(topic: str, offset: int, key: bytes | None, value: bytes = b"") -> Record:
    return Record(topic, 0, offset, 0, key, value)


def source(output: Record) -> Coordinates:
    return "in", 0, int(output.value or b"")


INPUTS = [record("in", n, b"ab"[n % 2 :][:1]) for n in range(6)]


def outputs(*order: int) -> list[Record]:
    return [record("out", position, b"", b"%d" % n) for position, n in enumerate(order)]


def test_once_each_in_any_order_between_keys_is_exact() -> None:
    assert check(INPUTS, outputs(1, 0, 2, 3, 5, 4), source).exact


def test_a_lost_record_is_seen() -> None:
    verdict = check(INPUTS, outputs(0, 1, 2, 3, 4), source)
    assert (verdict.exact, verdict.lost) == (False, [("in", 0, 5)])


def test_a_duplicate_is_seen() -> None:
    verdict = check(INPUTS, outputs(0, 1, 2, 3, 4, 5, 2), source)
    assert (verdict.exact, verdict.duplicated, verdict.out_of_order) == (False, [("in", 0, 2)], [])


def test_an_output_of_nothing_is_seen() -> None:
    verdict = check(INPUTS, outputs(0, 1, 2, 3, 4, 5, 6), source)
    assert (verdict.exact, verdict.unknown) == (False, [("in", 0, 6)])


def test_a_key_out_of_order_is_seen() -> None:
    verdict = check(INPUTS, outputs(0, 3, 2, 1, 4, 5), source)
    assert (verdict.exact, verdict.out_of_order) == (False, [(("in", 0, 3), ("in", 0, 1))])


def test_records_without_a_key_have_no_order() -> None:
    keyless = [record("in", n, None) for n in range(3)]
    assert check(keyless, outputs(2, 1, 0), source).exact
