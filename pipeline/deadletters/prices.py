"""What one more call for a dead letter costs, about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from pipeline.catalogue import Catalogue
from pipeline.deadletters.index import Entry
from pipeline.settings import Settings


class CallPrices:
    """About what one more call costs for a dead letter: as its own calls did, else as those of its enrichment."""

    def __init__(self, entries: Iterable[Entry], estimate: Callable[[Entry], Decimal | None]) -> None:
        """`estimate` is asked where no call was ever made: by the price list, say."""
        self._estimate = estimate
        calls: Counter[str] = Counter()
        costs: defaultdict[str, Decimal] = defaultdict(Decimal)
        for entry in entries:
            calls[entry.enrichment] += entry.attempts
            costs[entry.enrichment] += entry.cost_usd
        self._means: Mapping[str, Decimal] = {name: costs[name] / count for name, count in calls.items() if count}

    def __call__(self, entry: Entry) -> Decimal | None:
        """US dollars, or None when nothing is known."""
        if entry.attempts:
            return entry.cost_usd / entry.attempts
        mean = self._means.get(entry.enrichment)
        return self._estimate(entry) if mean is None else mean


def list_price(catalogue: Catalogue, settings: Settings, entry: Entry) -> Decimal | None:
    """Where no call was ever made: by the price list, from the size of the original and half the room for answers.

    About four bytes make a token; the prompt around the text is not in it.
    """
    # The price list takes a while to import: only who asks for a price waits for it.
    from pipeline.llm import Usage
    from pipeline.llm.prices import Prices

    tier = catalogue.enrichment(entry.enrichment).spec.tiers[0]
    provider = settings.providers.get(tier.provider)
    if provider is None or provider.wire == "local":
        return None
    usage = Usage(input_tokens=entry.size // 4, output_tokens=tier.max_tokens // 2)
    return Prices(provider.wire).cost(tier.model, usage)
