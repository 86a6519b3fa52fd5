"""The bill is exact: as if every answer had been priced on its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from genai_prices import Usage as Priced
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.simulator.bill import Bill, Line, known_models
from pipeline.simulator.exchange import Ask, Usage
from pipeline.simulator.profile import WireName
from pipeline.simulator.promptcache import PromptCache

usages = st.builds(
    lambda uncached, read, written, output: Usage(uncached + read + written, output, read, written),
    st.integers(0, 300_000),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.integers(0, 5000),
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(usages, min_size=1, max_size=8),
    st.sampled_from([("openai", "gpt-5-mini"), ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5")]),
)
def test_a_sum_of_answers_costs_the_sum_of_their_prices(calls: list[Usage], model: tuple[WireName, str]) -> None:
    wire, name = model
    line = Line()
    alone = Decimal(0)
    for usage in calls:
        line.add(usage)
        alone += calc_price(
            Priced(
                input_tokens=usage.input,
                cache_read_tokens=usage.cache_read,
                cache_write_tokens=usage.cache_write,
                output_tokens=usage.output,
            ),
            model_ref=name,
            provider_id=wire,
        ).total_price
    assert line.cost(wire, name) == alone


def test_steps_in_a_price_list_count_by_request_and_not_by_sum() -> None:
    line = Line()
    for _ in range(300):
        line.add(Usage(1000, 100))
    assert line.cost("anthropic", "claude-sonnet-4-5") == Decimal("1.35"), "300,000 tokens at 3, 30,000 at 15 dollars"
    line.add(Usage(300_000, 0))
    assert line.cost("anthropic", "claude-sonnet-4-5") == Decimal("3.15"), "one request over 200,000 costs 6"


def test_the_statement_tells_delivered_from_undelivered_and_has_money_as_text() -> None:
    bill = Bill()
    bill.add("openai", "gpt-5-mini", Usage(1_000_000, 0), delivered=True)
    bill.add("openai", "gpt-5-mini", Usage(0, 1_000_000), delivered=False)
    bill.add("openai", "my-own-model", Usage(5, 5), delivered=True)
    statement = bill.statement()
    assert statement["delivered"] == {
        "cost_usd": "0.25",
        "models": [
            {
                "wire": "openai",
                "model": "gpt-5-mini",
                "requests": 1,
                "input_tokens": 1_000_000,
                "cache_read_tokens": 0,
                "cache_write_tokens": 0,
                "output_tokens": 0,
                "reasoning_tokens": 0,
                "cost_usd": "0.25",
            },
            {
                "wire": "openai",
                "model": "my-own-model",
                "requests": 1,
                "input_tokens": 5,
                "cache_read_tokens": 0,
                "cache_write_tokens": 0,
                "output_tokens": 5,
                "reasoning_tokens": 0,
                "cost_usd": None,
            },
        ],
    }
    assert str(statement["undelivered"]).startswith("{'cost_usd': '2'")


def test_the_price_lists_models_are_known() -> None:
    assert "gpt-5-mini" in known_models("openai")
    assert "claude-haiku-4-5" in known_models("anthropic")


@pytest.mark.parametrize(("always", "first", "second"), [(True, (0, 0), (1152, 0)), (False, (0, 1250), (1250, 0))])
def test_a_long_prefix_is_cached_as_the_vendor_does(
    always: bool, first: tuple[int, int], second: tuple[int, int]
) -> None:
    cache = PromptCache(always)
    ask = Ask("m", "system", (), 6000, 5000, 77, 10, b"{}")
    assert cache.look_up(0.0, "key", ask) == first
    assert cache.look_up(200.0, "key", ask) == second
    assert cache.look_up(200.0, "another key", ask) == first
    assert cache.look_up(499.0, "key", ask) == second, "use keeps it"
    assert cache.look_up(800.0, "key", ask) == first, "forgotten after 5 minutes"
    assert cache.look_up(0.0, "key", Ask("m", "s", (), 4000, 4000, 1, 10, b"{}")) == (0, 0), "too short"
