"""Kafka's values: Avro in the Confluent wire format, or JSON; schemas known to a registry."""

from pipeline.serde.codec import AvroCodec, Decoded, Decoder, JsonCodec, ValueCodec, to_json
from pipeline.serde.registry import Registry

__all__ = ["AvroCodec", "Decoded", "Decoder", "JsonCodec", "Registry", "ValueCodec", "to_json"]
