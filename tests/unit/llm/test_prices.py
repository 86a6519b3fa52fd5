"""What calls cost is exact, whatever part of them was cached, written to a cache, or thought."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm import Usage
from pipeline.llm.prices import Prices

MODELS = [
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-5-mini-2025-08-07"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-6-luna"),
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
]


@given(st.sampled_from(MODELS), st.integers(0, 500_000), st.floats(0, 1), st.floats(0, 1), st.integers(0, 50_000))
def test_every_price_is_the_lists_own(
    model: tuple[str, str], tokens: int, cached_share: float, written_share: float, output: int
) -> None:
    vendor, name = model
    cached = int(tokens * cached_share)
    written = int((tokens - cached) * written_share) if vendor == "anthropic" else 0
    usage = Usage(tokens, cached, output, output // 2, written)
    listed = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=tokens, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=output
        ),
        name,
        provider_id=vendor,
    )
    assert Prices(vendor).cost(name, usage) == listed.total_price


def test_no_rounding_however_many_calls_are_added_up() -> None:
    prices = Prices("openai")
    one = prices.cost("gpt-4.1-mini", Usage(1, 0, 1))
    assert one == Decimal("0.0000004") + Decimal("0.0000016")
    assert sum((one for _ in range(100_000)), Decimal(0)) == one * 100_000


def test_a_model_without_a_price_is_free_and_said_so_once(caplog: pytest.LogCaptureFixture) -> None:
    prices = Prices("openai")
    assert prices.cost("my-own-model", Usage(1000, 0, 1000)) == 0
    assert prices.cost("my-own-model", Usage(1000, 0, 1000)) == 0
    assert caplog.text.count("no price is known for model my-own-model") == 1


@pytest.mark.parametrize(
    ("vendor", "model", "day"),
    [("openai", "gpt-4o-mini-2024-07-18", date(2027, 1, 14)), ("anthropic", "claude-sonnet-4-5", date(2026, 11, 30))],
)
def test_a_model_is_refused_from_the_day_it_ends_and_warned_of_before(
    vendor: str, model: str, day: date, caplog: pytest.LogCaptureFixture
) -> None:
    prices = Prices(vendor)
    assert prices.objection(model, day - timedelta(days=1)) == ""
    assert f"{vendor} switches model {model} off on {day}" in caplog.text
    assert f"switched {model} off on {day}" in prices.objection(model, day)
