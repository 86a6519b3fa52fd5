"""What a call cost, in US dollars, exactly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import genai_prices
from genai_prices.types import ModelPrice, TieredPrices

from pipeline.llm.question import Usage
from pipeline.llm.retirement import retirement

log = logging.getLogger(__name__)

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a token, of prompts of at most `most` tokens; None: of any."""

    input: Decimal
    cached: Decimal
    written: Decimal
    output: Decimal
    most: int | None = None

    def hold(self, usage: Usage) -> bool:
        return self.most is None or usage.input_tokens <= self.most

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

    def objection(self, model: str, today: date) -> str:
        """Why this model cannot be used: its vendor does not know it, or has switched it off. Else empty.

        An end that is announced for a later day is logged: the list of them may be older than the vendor's.
        """
        try:
            found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=self._vendor)
        except LookupError:
            return f"{self._vendor} has no model {model}"
        if day := retirement(self._vendor, model):
            if day <= today:
                return f"{self._vendor} switched {model} off on {day}: name another"
            log.warning("%s switches model %s off on %s: name another before", self._vendor, model, day)
        return f"{model} is deprecated by {self._vendor}" if found.model.deprecated else ""

    def cost(self, model: str, usage: Usage) -> Decimal:
        """What `usage` cost. Plain rates and those of the lowest tier are multiplied here: the list takes 0.2 ms.
        Higher tiers are left to it."""
        if model not in self._rates:
            self._rates[model] = self._look_up(model)
        rates = self._rates[model]
        if rates is not None and rates.hold(usage):
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
    fresh, output, cached, written = (value.base if isinstance(value, TieredPrices) else value for value in given)
    if fresh is None or output is None:
        return None
    starts = [tier.start for value in given if isinstance(value, TieredPrices) for tier in value.tiers]
    return Rates(
        fresh / MILLION,
        (fresh if cached is None else cached) / MILLION,
        (fresh if written is None else written) / MILLION,
        output / MILLION,
        min(starts) if starts else None,
    )
