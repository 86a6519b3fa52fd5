"""Bytes to records and back.

Confluent wire format: a zero byte, the schema's id as 4 bytes big-endian, the Avro body.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson
from fastavro import schemaless_reader, schemaless_writer
from pydantic import BaseModel, ValidationError

from pipeline import contract
from pipeline.errors import Cause, ContractError, DecodeError, EncodeError
from pipeline.jsontext import to_json
from pipeline.serde.registry import Registry, parsed, without_logical_types

_HEAD = struct.Struct(">bI")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record and the registry's id of the schema it was written with (None for JSON)."""

    record: Mapping[str, object]
    schema_id: int | None


class Decoder(Protocol):
    """Values of one topic to records."""

    async def decode(self, data: bytes) -> Decoded:
        """Raises DecodeError or ContractError; waits while the registry is away."""

    def ready(self, data: bytes) -> bool:
        """Whether `decode` of this has nothing to wait for."""


class ValueCodec(Decoder, Protocol):
    """Values of one topic, both ways."""

    def encode(self, record: Mapping[str, object]) -> bytes:
        """Raises EncodeError that names what does not fit, not the value."""


class AvroDecoder:
    """Avro values of one topic, read as `schema` whatever compatible schema wrote them.

    `bounded`: values outside the schema's bounds are refused, as input is; outputs may hold longer, restored texts.
    `plain`: times and exact amounts come as the numbers and bytes that Avro holds, for half of what reading costs.
    """

    def __init__(
        self, registry: Registry, schema: contract.Schema, *, bounded: bool = True, plain: bool = False
    ) -> None:
        self._registry = registry
        self._bounds = contract.Bounds(schema) if bounded else None
        self._plain = plain
        self._schema = dict(parsed(without_logical_types(schema) if plain else schema))
        self._writers: dict[int, dict[str, object]] = {}

    async def decode(self, data: bytes) -> Decoded:
        """The record as this topic's schema reads it."""
        if len(data) < _HEAD.size or data[0] != 0:
            raise DecodeError("not Avro in the Confluent wire format (no magic byte)")
        schema_id = _HEAD.unpack_from(data)[1]
        writer = self._writers.get(schema_id) or await self._writer(schema_id)
        body = io.BytesIO(data)
        body.seek(_HEAD.size)
        try:
            record = schemaless_reader(body, writer, self._schema)
        except Exception as error:  # noqa: BLE001  # foreign bytes make the reader raise nearly anything
            raise DecodeError(f"Avro body does not match schema id {schema_id} ({type(error).__name__})") from None
        if body.tell() != len(data):
            raise DecodeError(f"Avro body goes on after the record of schema id {schema_id}")
        if not isinstance(record, dict):
            raise ContractError("the value is no record")
        if self._bounds is not None:
            self._bounds.check(record)
        return Decoded(record, schema_id)

    def ready(self, data: bytes) -> bool:
        """Bytes that name no schema are refused at once."""
        if len(data) < _HEAD.size or data[0] != 0:
            return True
        schema_id = _HEAD.unpack_from(data)[1]
        return schema_id in self._writers or self._registry.known(schema_id) is not None

    async def _writer(self, schema_id: int) -> dict[str, object]:
        """The writer's schema. Where it is the reader's, it is the same object: nothing is compared for each record."""
        found = dict(self._registry.known(schema_id) or await self._registry.schema(schema_id))
        if self._plain:
            found = dict(parsed(without_logical_types(found)))
        writer = self._writers[schema_id] = self._schema if found == self._schema else found
        return writer


class AvroCodec(AvroDecoder):
    """Avro values of one topic, both ways. Writes with `schema` under its id."""

    def __init__(self, registry: Registry, schema: contract.Schema, schema_id: int) -> None:
        super().__init__(registry, schema)
        self._typed = contract.record_model(schema, bounded=False)
        self._head = _HEAD.pack(0, schema_id)

    def encode(self, record: Mapping[str, object]) -> bytes:
        """Wire-format bytes, defaults filled in. Raises EncodeError that names the field; the value is not in it."""
        _typed(self._typed, record)
        out = io.BytesIO()
        out.write(self._head)
        try:
            schemaless_writer(out, self._schema, dict(record), strict_allow_default=True)
        except (ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
            raise EncodeError(f"{self._typed.__name__} cannot be written as Avro ({type(error).__name__})") from None
        return out.getvalue()


class JsonCodec:
    """JSON values of one topic, checked against the same schema, defaults filled in; `bounded` as for Avro."""

    def __init__(self, schema: contract.Schema, *, bounded: bool = True) -> None:
        self._model = contract.record_model(schema, bounded=bounded)
        self._typed = contract.record_model(schema, bounded=False)

    def encode(self, record: Mapping[str, object]) -> bytes:
        """JSON bytes, defaults filled in. Raises EncodeError that names the field; the value is not in it."""
        try:
            return to_json(_typed(self._typed, record).model_dump())
        except TypeError as error:
            raise EncodeError(f"{self._typed.__name__} cannot be written as JSON ({type(error).__name__})") from None

    async def decode(self, data: bytes) -> Decoded:
        """The record, defaults filled in. JSON that is broken is undecodable; a wrong field is a broken contract."""
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise DecodeError(f"not JSON (at byte {error.pos})", cause=Cause.UNDECODABLE) from None
        return Decoded(contract.read_json(self._model, data), None)

    def ready(self, data: bytes) -> bool:
        """Always."""
        return True


def _typed(model: type[BaseModel], record: Mapping[str, object]) -> BaseModel:
    """The record as its model; Avro's writer alone would cut 1.5 to 1 and let numbers overflow."""
    try:
        return model.model_validate(record)
    except ValidationError as error:
        wrong = "; ".join(contract.problems(error, most=3))
        raise EncodeError(f"{model.__name__} cannot be written: {wrong}") from None
