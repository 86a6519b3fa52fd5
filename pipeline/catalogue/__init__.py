"""Topics, schemas and enrichments as data: read, cross-checked, frozen. Names of topics come from here only."""

from pipeline.catalogue.entries import Catalogue, Checks, Enrichment, SchemaVersion
from pipeline.catalogue.loading import load
from pipeline.catalogue.specs import (
    REPLAY_ID,
    EnrichmentSpec,
    Format,
    LabelSpec,
    TierSpec,
    TopicSpec,
    ValueSpec,
    group_of,
)

__all__ = [
    "REPLAY_ID",
    "Catalogue",
    "Checks",
    "Enrichment",
    "EnrichmentSpec",
    "Format",
    "LabelSpec",
    "SchemaVersion",
    "TierSpec",
    "TopicSpec",
    "ValueSpec",
    "group_of",
    "load",
]
