"""The strict JSON schema of an answer, in the subset that all providers accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pipeline.contract.structure import Schema, expanded, fields, without_null
from pipeline.errors import UsageError

_JSON: Mapping[str, Schema] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
}


def provider_schema(schema: Schema, labels: Sequence[str]) -> Schema:
    """The schema of what a language model must say: the fields that are `answer: model`.

    Raises UsageError for a type that no model can answer with.
    """
    return _object(expanded(schema), labels)


def _object(schema: Schema, labels: Sequence[str]) -> Schema:
    chosen = [field for field in fields(schema) if field.get("answer") == "model"]
    properties = {str(field["name"]): _described(field, _json(field["type"], field, labels)) for field in chosen}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _json(avro: object, field: Schema, labels: Sequence[str]) -> Schema:
    if isinstance(avro, list):
        inner = _json(without_null(avro), field, labels)
        return {"anyOf": [inner, {"type": "null"}]} if "null" in avro else inner
    if isinstance(avro, Mapping):
        match avro["type"]:
            case "record":
                return _object(cast(Schema, avro), labels)
            case "enum":
                return {"type": "string", "enum": list(cast(list[str], avro["symbols"]))}
            case "array":
                return {"type": "array", "items": _json(avro["items"], field, labels)}
        match avro.get("logicalType"):
            case "date":
                return {"type": "string", "format": "date"}
            case "timestamp-millis" | "timestamp-micros":
                return {"type": "string", "format": "date-time"}
            case "decimal":
                raise UsageError(f"field {field['name']}: exact amounts are parsed by code, not asked of a model")
        avro = avro["type"]
    if field.get("labels") and labels:
        return {"type": "string", "enum": list(labels)}
    if avro not in _JSON:
        raise UsageError(f"field {field['name']}: a model cannot answer with Avro type {avro}")
    return _JSON[str(avro)]


def _described(field: Schema, found: Schema) -> Schema:
    """The property with its description, bounds in words: providers differ in which they enforce."""
    words = [str(field.get("doc", "")).strip()]
    each = " each" if found.get("type") == "array" else ""
    if (longest := field.get("maxLength")) is not None:
        words.append(f"At most {longest} characters{each}.")
    if (most := field.get("maxItems")) is not None:
        words.append(f"At most {most} items.")
    if (pattern := field.get("pattern")) is not None:
        words.append(f"Matches {pattern}{each}.")
    if (least := field.get("minimum")) is not None:
        words.append(f"At least {least}.")
    if (greatest := field.get("maximum")) is not None:
        words.append(f"At most {greatest}.")
    return {**found, "description": " ".join(filter(None, words))}
