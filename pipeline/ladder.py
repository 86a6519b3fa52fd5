"""The ladder of tiers that an enrichment's records climb here: its own, less what this machine has no account for."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pipeline.catalogue import Enrichment, TierSpec
from pipeline.llm import Tier
from pipeline.settings import ProviderSettings

_log = logging.getLogger(__name__)


def ladder(enrichment: Enrichment, providers: Mapping[str, ProviderSettings]) -> tuple[Tier, ...]:
    """Without the tiers of providers for which no key is set: one vendor's account is enough to run."""
    usable = []
    for spec in enrichment.spec.tiers:
        provider = providers.get(spec.provider)
        if provider is not None and provider.keyless():
            _log.warning("%s: tier %s left out: %s is not set", enrichment.name, spec.name, provider.api_key_env)
        else:
            usable.append(_tier(enrichment, spec, providers))
    return tuple(usable) or tuple(_tier(enrichment, spec, providers) for spec in enrichment.spec.tiers)


def _tier(enrichment: Enrichment, spec: TierSpec, providers: Mapping[str, ProviderSettings]) -> Tier:
    provider = providers.get(spec.provider)
    answer: dict[str, object] = {}
    if provider is not None and provider.wire == "local":
        answer = {**(enrichment.spec.fallback or {}), **spec.answer}
    return Tier(**{**spec.model_dump(), "answer": answer})
