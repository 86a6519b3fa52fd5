"""Topics and schemas of the catalogue, on the stack."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.catalogue import Catalogue
from pipeline.serde import Registry
from pipeline.settings import Settings
from pipeline.stream.admin import Admin, Topic


def prepare(settings: Settings, catalogue: Catalogue) -> Iterator[str]:
    """Creates and registers what is not there yet; a line for each step."""
    admin = Admin(settings.kafka.client())
    replication = admin.brokers()
    created = admin.create(
        [
            Topic(t.topic, t.partitions, min(t.replication, replication), {n: str(v) for n, v in t.config.items() if n != "min.insync.replicas"})
            for t in catalogue.topics.values()
        ]
    )
    yield f"{len(catalogue.topics)} topics, {len(created)} of them new"
    registry = Registry(settings.registry)
    for schema in catalogue.schemas.values():
        for subject in catalogue.subjects(schema):
            registry.register(subject, schema.schema)
