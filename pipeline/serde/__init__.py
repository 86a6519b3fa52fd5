"""Kafka's values: Avro in the Confluent wire format, or JSON; schemas known to a registry."""

from pipeline.serde.blocking import decode_now
from pipeline.serde.codec import AvroCodec, AvroDecoder, Decoded, Decoder, JsonCodec, ValueCodec
from pipeline.serde.registry import Registry
from pipeline.serde.topics import TopicCodecs

__all__ = [
    "AvroCodec",
    "AvroDecoder",
    "Decoded",
    "Decoder",
    "JsonCodec",
    "Registry",
    "TopicCodecs",
    "ValueCodec",
    "decode_now",
]
