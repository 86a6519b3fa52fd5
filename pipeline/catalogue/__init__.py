"""Topics, schemas and enrichments as data: read, cross-checked, frozen. Names of topics come from here only."""

from pipeline.catalogue.entries import Catalogue, Checks, Enrichment, SchemaVersion
from pipeline.catalogue.loading import load
from pipeline.catalogue.specs import (
    REPLAY_ID,
    STATUS_TOPIC,
    EnrichmentSpec,
    Format,
    LabelSpec,
    SecondChanceSpec,
    TierSpec,
    TopicSpec,
    ValueSpec,
    group_of,
    second_chance_group,
)

__all__ = [
    "REPLAY_ID",
    "STATUS_TOPIC",
    "Catalogue",
    "Checks",
    "Enrichment",
    "EnrichmentSpec",
    "Format",
    "LabelSpec",
    "SchemaVersion",
    "SecondChanceSpec",
    "TierSpec",
    "TopicSpec",
    "ValueSpec",
    "group_of",
    "load",
    "second_chance_group",
]
