"""The catalogue as the rest of the program sees it: topics, schemas, enrichments, each found and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from pipeline import contract
from pipeline.catalogue.specs import EnrichmentSpec, LabelSpec, TopicSpec, group_of
from pipeline.errors import UsageError


@dataclass(frozen=True)
class SchemaVersion:
    """One version of one subject: `schemas/<subject>/v<version>.avsc`."""

    subject: str
    version: int
    schema: contract.Schema
    text: str
    examples: tuple[Path, ...]


class Checks(Protocol):
    """What code adds to an answer: `checks.py` of an enrichment has this one function."""

    def finish(
        self,
        answer: Mapping[str, object],
        record: Mapping[str, object],
        spec: EnrichmentSpec,
        received_at: datetime,
    ) -> Mapping[str, object]:
        """The values of all `answer: code` fields. `received_at` is when the record reached Kafka."""


@dataclass(frozen=True)
class Enrichment:
    """One enrichment, everything it names found and checked."""

    spec: EnrichmentSpec
    folder: Path
    input: TopicSpec
    output: TopicSpec
    dead_letters: TopicSpec
    audit: TopicSpec
    usage: TopicSpec
    input_schema: SchemaVersion
    output_schema: SchemaVersion
    answer: type[BaseModel]
    provider_schema: contract.Schema
    restored: tuple[str, ...]
    checks: Checks
    fallback: BaseModel | None = None
    """The safe answer, validated; None when the enrichment names none."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def group(self) -> str:
        """The consumer group of its workers; also the principal that the ACLs name."""
        return group_of(self.spec.name)

    @property
    def prompt_file(self) -> Path:
        return self.prompt_of(self.spec.prompt.version)

    def prompt_of(self, version: str) -> Path:
        """The file of another version of its prompt, whether or not there is one."""
        return self.folder / "prompts" / f"{version}.md"

    def label(self, name: str) -> LabelSpec | None:
        """The label of that name."""
        return next((label for label in self.spec.labels if label.label == name), None)


@dataclass(frozen=True)
class Catalogue:
    """All of it."""

    topics: Mapping[str, TopicSpec]
    schemas: Mapping[tuple[str, int], SchemaVersion]
    enrichments: Mapping[str, Enrichment] = field(default_factory=dict)

    def topic(self, name: str) -> TopicSpec:
        """Raises UsageError that lists the topics there are."""
        if name not in self.topics:
            raise UsageError(f"no topic {name} in the catalogue; there are: {', '.join(sorted(self.topics))}")
        return self.topics[name]

    def enrichment(self, name: str) -> Enrichment:
        """Raises UsageError that lists the enrichments there are."""
        if name not in self.enrichments:
            raise UsageError(f"no enrichment {name}; there are: {', '.join(sorted(self.enrichments))}")
        return self.enrichments[name]

    def schema_of(self, topic: str) -> SchemaVersion:
        """The schema of a topic's values."""
        value = self.topic(topic).value
        return self.schemas[value.schema_, value.version]

    def subjects(self, schema: SchemaVersion) -> list[str]:
        """Where the registry keeps a schema: its own subject, and `<topic>-value` of each topic, where clients look."""
        topics = [
            t.topic
            for t in self.topics.values()
            if (t.value.schema_, t.value.version) == (schema.subject, schema.version)
        ]
        return [schema.subject, *(f"{topic}-value" for topic in sorted(topics))]
