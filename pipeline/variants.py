"""An enrichment as it stands, and as a replay asks for it: with another prompt version, or one tier only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.catalogue import Enrichment
from pipeline.deadletters.overrides import Override
from pipeline.errors import Cause, ContractError, UsageError
from pipeline.llm import Tier
from pipeline.outputs import OutputWriter, Way
from pipeline.questions import Questions, TenantKey
from pipeline.redact import Redactor


@dataclass(frozen=True, slots=True)
class Variant:
    """How records are asked about, and what is written of them."""

    questions: Questions
    writer: OutputWriter


class Variants:
    """Those of one enrichment; each is made when a record first asks for it, and kept."""

    def __init__(
        self,
        enrichment: Enrichment,
        writer: OutputWriter,
        redactor: Redactor,
        tiers: Sequence[Tier],
        tenant_key: TenantKey | None,
    ) -> None:
        self._enrichment, self._redactor, self._tiers = enrichment, redactor, tuple(tiers)
        self._writer, self._tenant_key = writer, tenant_key
        plain = Variant(Questions(enrichment, redactor, tiers, tenant_key), writer)
        self._made: dict[Override, Variant] = {Override(): plain}

    def of(self, way: Way) -> Variant:
        """The one for a record. Raises ContractError when its replay asks for what is not there."""
        override = self._writer.override(way)
        if override not in self._made:
            # Sealed by a replayer and so from a closed choice: there are never many.
            self._made[override] = self._make(override)
        return self._made[override]

    def writer(self, way: Way) -> OutputWriter:
        """The writer for a record, whatever its replay asks for."""
        found = self._made.get(self._writer.override(way))
        return self._writer if found is None else found.writer

    def _make(self, override: Override) -> Variant:
        spec = self._enrichment.spec
        if override.enrichment_version not in ("", spec.version):
            raise _unknown(f"version {override.enrichment_version}; this worker has {spec.version}")
        tiers = tuple(tier for tier in self._tiers if override.tier in ("", tier.name))
        if not tiers:
            raise _unknown(f"tier {override.tier}")
        enrichment = self._enrichment
        if override.prompt:
            prompt = spec.prompt.model_copy(update={"version": override.prompt})
            enrichment = replace(enrichment, spec=spec.model_copy(update={"prompt": prompt}))
        try:
            questions = Questions(enrichment, self._redactor, tiers, self._tenant_key)
        except UsageError:
            raise _unknown(f"prompt {override.prompt}, or not one that goes with it") from None
        return Variant(questions, self._writer.variant(enrichment))


def _unknown(what: str) -> ContractError:
    return ContractError(f"its replay asks for what the enrichment has not: {what}", cause=Cause.OVERRIDE_UNKNOWN)
