"""What the simulator would charge: token counts exact, prices from `genai-prices`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from pipeline.simulator.exchange import Usage
from pipeline.simulator.profile import WireName

_EVEN_UP_TO = 100_000
"""Input tokens of a request up to which every token has the same price; above, some models' prices have steps."""
_UNIT = 1000


@dataclass(slots=True)
class Line:
    """The answers of one model. `input_tokens` hold the cached ones, `output_tokens` the reasoning."""

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    _large: list[Usage] = field(default_factory=list)

    def add(self, usage: Usage) -> None:
        self.requests += 1
        self.input_tokens += usage.input
        self.cache_read_tokens += usage.cache_read
        self.cache_write_tokens += usage.cache_write
        self.output_tokens += usage.output
        self.reasoning_tokens += usage.reasoning
        if usage.input > _EVEN_UP_TO:
            self._large.append(usage)

    def cost(self, wire: WireName, model: str) -> Decimal | None:
        """US dollars, exact; None for a model without a price."""
        prices = _unit_prices(wire, model)
        if prices is None:
            return None
        large = self._large
        read = self.cache_read_tokens - sum(usage.cache_read for usage in large)
        written = self.cache_write_tokens - sum(usage.cache_write for usage in large)
        fresh = self.input_tokens - sum(usage.input for usage in large) - read - written
        output = self.output_tokens - sum(usage.output for usage in large)
        total = sum((_price(wire, model, usage) or Decimal(0) for usage in large), Decimal(0))
        for count, price in zip((fresh, read, written, output), prices, strict=True):
            total += count * price / _UNIT
        return total


@dataclass(frozen=True, slots=True)
class Item:
    """One answer."""

    wire: WireName
    model: str
    usage: Usage
    delivered: bool

    def cost(self) -> Decimal | None:
        """US dollars, exact; None for a model without a price."""
        line = Line()
        line.add(self.usage)
        return line.cost(self.wire, self.model)


@dataclass(slots=True)
class Bill:
    """Answers delivered, and those whose client had gone or was cut off: a vendor charges for both."""

    delivered: dict[tuple[WireName, str], Line] = field(default_factory=dict)
    undelivered: dict[tuple[WireName, str], Line] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    """Each answer by its id, where the profile asks for an itemised bill."""

    def add(self, wire: WireName, model: str, usage: Usage, *, delivered: bool, item: str = "") -> None:
        """One answer; `item` is its id, where it is to be listed."""
        lines = self.delivered if delivered else self.undelivered
        lines.setdefault((wire, model), Line()).add(usage)
        if item:
            self.items[item] = Item(wire, model, usage, delivered)

    def itemised(self) -> list[dict[str, object]]:
        """Every listed answer, in order."""
        return [
            {"id": name, "model": item.model, "delivered": item.delivered, "cost_usd": _shown(item.cost())}
            for name, item in self.items.items()
        ]

    def statement(self) -> dict[str, object]:
        """The bill as JSON: counts as numbers, money as strings, `null` where a model has no price."""
        return {"delivered": _statement(self.delivered), "undelivered": _statement(self.undelivered)}


def known_models(wire: WireName) -> Iterator[str]:
    """Names of the vendor's models in the price list."""
    from genai_prices.data_snapshot import get_snapshot

    for provider in get_snapshot().providers:
        if provider.id == wire:
            yield from (model.id for model in provider.models if not model.deprecated)


def _statement(lines: dict[tuple[WireName, str], Line]) -> dict[str, object]:
    costs = {(wire, model): line.cost(wire, model) for (wire, model), line in lines.items()}
    return {
        "cost_usd": _shown(sum((cost for cost in costs.values() if cost is not None), Decimal(0))),
        "models": [
            {
                "wire": wire,
                "model": model,
                "requests": line.requests,
                "input_tokens": line.input_tokens,
                "cache_read_tokens": line.cache_read_tokens,
                "cache_write_tokens": line.cache_write_tokens,
                "output_tokens": line.output_tokens,
                "reasoning_tokens": line.reasoning_tokens,
                "cost_usd": _shown(costs[wire, model]),
            }
            for (wire, model), line in sorted(lines.items())
        ],
    }


def _shown(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost.normalize():f}"


@lru_cache(maxsize=256)
def _unit_prices(wire: WireName, model: str) -> tuple[Decimal, Decimal, Decimal, Decimal] | None:
    """The prices of `_UNIT` tokens of fresh input, input read from the cache, input written to it, and output."""
    units = (Usage(_UNIT, 0), Usage(_UNIT, 0, cache_read=_UNIT), Usage(_UNIT, 0, cache_write=_UNIT), Usage(0, _UNIT))
    fresh, read, written, output = (_price(wire, model, usage) for usage in units)
    if fresh is None or read is None or written is None or output is None:
        return None
    return fresh, read, written, output


def _price(wire: WireName, model: str, usage: Usage) -> Decimal | None:
    # The price list takes a moment to load and is not needed before somebody asks for a bill.
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    priced = Priced(
        input_tokens=usage.input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
    )
    try:
        return calc_price(priced, model_ref=model, provider_id=wire).total_price
    except LookupError:
        return None
