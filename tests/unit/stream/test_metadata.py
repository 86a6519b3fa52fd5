"""Commit metadata: what is finished out of order survives the trip through the broker, within its limit."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.stream.metadata import LIMIT, decode, encode


@given(st.binary(max_size=4000))
def test_a_bitmap_comes_back_as_it_was_but_for_zeros_at_its_end(finished: bytes) -> None:
    assert decode(encode(finished)) == finished.rstrip(b"\0")


@given(st.binary(max_size=4000))
def test_the_text_is_plain_ascii_so_no_nul_and_no_surrogate_reaches_the_broker(finished: bytes) -> None:
    text = encode(finished)
    assert text.isascii()
    assert "\0" not in text


def test_a_random_half_done_bitmap_of_24000_records_fits() -> None:
    assert len(encode(random.Random(7).randbytes(24_000 // 8))) <= LIMIT


def test_one_stuck_record_before_400000_finished_ones_and_500_in_flight_takes_under_600_characters() -> None:
    bits = bytearray(b"\xff" * (400_000 // 8))
    bits[0] = 0xFE
    flying = random.Random(7)
    for offset in flying.sample(range(399_000, 400_000), 500):
        bits[offset >> 3] &= ~(1 << (offset & 7)) & 0xFF
    assert len(encode(bytes(bits))) < 600


@pytest.mark.parametrize("text", [None, ""])
def test_no_metadata_means_nothing_is_finished_beyond_the_offset(text: str | None) -> None:
    assert decode(text) == b""


@pytest.mark.parametrize("text", ["x", "reset by hand", "1d!!!!", "1dAAAA", "1rA", "2dAAAA", "1d\ud800"])
def test_text_that_is_not_ours_is_told_apart(text: str) -> None:
    with pytest.raises(ValueError, match="commit metadata"):
        decode(text)
