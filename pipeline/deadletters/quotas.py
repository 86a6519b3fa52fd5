"""How fast dead letters may be sent, beside what comes in."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalogue import Catalogue
from pipeline.deadletters.index import Entry
from pipeline.settings import Settings


def allowed_rate(wished: float, entries: Sequence[Entry], catalogue: Catalogue, settings: Settings) -> float:
    """Records a second: as wished, and never more than the set share of the first tiers' quotas. 0: any."""
    quotas = []
    for name in {entry.enrichment for entry in entries}:
        tier = catalogue.enrichment(name).spec.tiers[0]
        provider = settings.providers.get(tier.provider)
        if provider is not None and provider.requests_per_minute:
            quotas.append(provider.requests_per_minute / 60 * settings.dead_letters.quota_share)
    most = min(quotas, default=0.0)
    return min(wished, most) if wished and most else wished or most
