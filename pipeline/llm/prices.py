"""What a call cost, in US dollars, exactly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal

import genai_prices
from genai_prices.types import ModelPrice

from pipeline.llm.question import Usage
from pipeline.llm.retirement import retirement

log = logging.getLogger(__name__)

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a token."""

    input: Decimal
    cached: Decimal
    written: Decimal
    output: Decimal

    def cost(self, usage: Usage) -> Decimal:
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        return (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.cache_write_tokens * self.written
            + usage.output_tokens * self.output
        )


FREE = Rates(Decimal(0), Decimal(0), Decimal(0), Decimal(0))


class Prices:
    """The price list of one account's models (genai-prices, offline), by the vendor whose wire it speaks.

    A model that the list does not know costs nothing and is warned about once.
    """

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._rates: dict[str, Rates | None] = {}

    def objection(self, model: str) -> str:
        """Why this model should not be used: its vendor does not know it, or has announced its end. Else empty."""
        try:
            found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=self._vendor)
        except LookupError:
            return f"{self._vendor} has no model {model}"
        if day := retirement(self._vendor, model):
            return f"{self._vendor} switches {model} off on {day}: name another"
        return f"{model} is deprecated by {self._vendor}" if found.model.deprecated else ""

    def cost(self, model: str, usage: Usage) -> Decimal:
        """What `usage` cost. Prices that are a plain rate are multiplied here; tiers and dates are left to the list."""
        if model not in self._rates:
            self._rates[model] = self._look_up(model)
        rates = self._rates[model]
        if rates is not None:
            return rates.cost(usage)
        found = genai_prices.calc_price(
            genai_prices.Usage(
                input_tokens=usage.input_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                output_tokens=usage.output_tokens,
            ),
            model,
            provider_id=self._vendor,
        )
        return found.total_price

    def _look_up(self, model: str) -> Rates | None:
        try:
            found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=self._vendor)
        except LookupError:
            log.warning("no price is known for model %s of %s: its calls count as free", model, self._vendor)
            return FREE
        return _plain_rates(found.model_price)


def _plain_rates(price: ModelPrice) -> Rates | None:
    given = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    numbers = [value if isinstance(value, Decimal) else None for value in given]
    if any(value is not None and number is None for value, number in zip(given, numbers, strict=True)):
        return None
    fresh, output, cached, written = numbers
    if fresh is None or output is None:
        return None
    return Rates(
        fresh / MILLION,
        (fresh if cached is None else cached) / MILLION,
        (fresh if written is None else written) / MILLION,
        output / MILLION,
    )
