"""Topics, schemas and enrichments as data: read, cross-checked, frozen. Names of topics come from here only."""

from pipeline.catalogue.entries import Catalogue, Checks, Enrichment, SchemaVersion
from pipeline.catalogue.loading import load
from pipeline.catalogue.specs import (
    EnrichmentSpec,
    Format,
    LabelSpec,
    TierSpec,
    TopicSpec,
    ValueSpec,
    group_of,
    replay_id_of,
)

__all__ = [
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
    "replay_id_of",
]
