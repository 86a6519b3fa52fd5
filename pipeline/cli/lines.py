"""Lines that a publisher gives: one JSON object each, checked against the topic's schema, or bytes as they are."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import orjson

from pipeline import contract, paths
from pipeline.catalogue import Catalogue
from pipeline.errors import Cause, ContractError, DecodeError, UsageError
from pipeline.serde import ValueCodec
from pipeline.stream.record import Headers, Output

_RAW = frozenset({"key", "key_base64", "value_base64", "headers"})


class Lines(Protocol):
    """Makes records of lines."""

    def read(self, line: bytes) -> Output:
        """Raises RecordError that names what is wrong with the line, not its values."""


class CheckedLines:
    """Each line is a JSON object that fits the schema of `topic`; its field `key` becomes the Kafka key.

    `unknown` counts the names of top-level fields that the schema does not have: they are left out.
    """

    def __init__(self, catalogue: Catalogue, topic: str, codec: ValueCodec, key: str, headers: Headers) -> None:
        """Raises UsageError when the schema has no field `key`; empty: the field that the catalogue names."""
        schema = catalogue.schema_of(topic).schema
        self._key = key or catalogue.topic(topic).key
        if contract.type_at(schema, self._key) not in ("string", "int", "long"):
            what = f"{schema['name']} has no field {key}" if key else f"{topic} is keyed by no field of its records"
            raise UsageError(f"{what}: name a text or a whole number with --key")
        self._topic, self._codec, self._headers = topic, codec, headers
        self._model = contract.record_model(schema)
        self.unknown: Counter[str] = Counter()

    def read(self, line: bytes) -> Output:
        """The record. Raises ContractError that names the field and the rule."""
        record = contract.read_json(self._model, line)
        key = paths.first(record, self._key)
        if key is None or key == "":
            raise ContractError(f"{self._key}: is the key and must not be empty")
        self.unknown.update(map(_nameable, orjson.loads(line).keys() - self._model.model_fields.keys()))
        return Output(self._topic, str(key).encode(), self._codec.encode(record), self._headers)


class RawLines:
    """Each line is a record's value as it stands, unchecked; or a JSON object that says more of it.

    `{"key": "text", "value_base64": "...", "headers": {"name": "text"}}`, with `key_base64` for keys that are no text
    and null for a null value or key. Other lines have no key.
    """

    def __init__(self, topic: str, headers: Headers) -> None:
        self._topic, self._headers = topic, headers

    def read(self, line: bytes) -> Output:
        """The record. Raises DecodeError when it says more, but not in this form."""
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict) or "value_base64" not in said or not said.keys() <= _RAW:
            return Output(self._topic, None, line, self._headers)
        key = said.get("key")
        given = said.get("headers", {})
        if not isinstance(key, str | None) or not isinstance(given, Mapping):
            raise DecodeError("`key` is a text or null, `headers` an object", cause=Cause.UNDECODABLE)
        headers = tuple((str(name), str(value).encode()) for name, value in given.items())
        return Output(
            self._topic,
            _bytes(said, "key_base64") if key is None else key.encode(),
            _bytes(said, "value_base64"),
            (*self._headers, *headers),
        )


def _nameable(name: str) -> str:
    """A field's name; what looks like no name may be a value and is not shown."""
    return name if name.isidentifier() and len(name) <= 60 else "(no name)"


def _bytes(said: Mapping[str, object], name: str) -> bytes | None:
    value = said.get(name)
    if value is None:
        return None
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError(f"{name}: is no base64", cause=Cause.UNDECODABLE) from None
