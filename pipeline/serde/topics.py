"""How the values of the catalogue's topics are read and written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pipeline.catalogue import Catalogue, Format
from pipeline.serde.codec import AvroCodec, AvroDecoder, Decoder, JsonCodec, ValueCodec
from pipeline.serde.registry import Registry
from pipeline.settings import RegistrySettings


@dataclass(frozen=True)
class TopicCodecs:
    """Codecs by topic. A registry is needed for Avro only, and asked for the first time when a codec is."""

    catalogue: Catalogue
    settings: RegistrySettings

    @cached_property
    def registry(self) -> Registry:
        """Raises UsageError when none is set."""
        return Registry(self.settings)

    def decoder(self, topic: str, *, plain: bool = False) -> Decoder:
        """Shows a topic's values: bounds are not checked, its own schema need not be registered.

        `plain`: times and exact amounts of Avro as the numbers and bytes that they are. Raises UsageError for unknown
        topics.
        """
        schema = self.catalogue.schema_of(topic).schema
        if self.catalogue.topic(topic).value.format is Format.JSON:
            return JsonCodec(schema, bounded=False)
        return AvroDecoder(self.registry, schema, bounded=False, plain=plain)

    def codec(self, topic: str) -> ValueCodec:
        """Reads and writes a topic's values; asks the registry, blocking, for the id of its schema.

        Raises UsageError for unknown topics and schemas, UnavailableError when the registry cannot be reached.
        """
        schema = self.catalogue.schema_of(topic)
        if self.catalogue.topic(topic).value.format is Format.JSON:
            return JsonCodec(schema.schema)
        return AvroCodec(self.registry, schema.schema, self.registry.id_of(schema.subject, schema.schema))
