"""From an Avro record to a pydantic model and to the strict JSON schema that a provider accepts.

The `.avsc` is the one place that says what a field is. Beside Avro's own words it carries:

    personal    none | text | direct     input fields: free of personal data, scanned, never sent
    pii         PERSON, EMAIL, ...       input fields that are direct: what kind of value it is
    answer      model | code             output fields: said by the model, or added by code
    labels      true                     a string that must be one of the enrichment's labels
    restore     true                     personal data may stand in this output field: placeholders are put back
    minLength, maxLength, pattern, minimum, maximum, maxItems      bounds (maxLength of an array: of each item)

Sent to providers is the subset they share: closed objects, every property required and nullable where it may be
missing, no references, no recursion. Bounds they do not all know travel in the description and are checked here.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pipeline.errors import ContractError, UsageError

Schema = Mapping[str, object]
"""A parsed `.avsc`, or a type inside it."""

_PRIMITIVES: Mapping[str, type] = {
    "string": str,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "bytes": bytes,
}
_LOGICAL: Mapping[str, type] = {
    "date": datetime.date,
    "timestamp-millis": datetime.datetime,
    "timestamp-micros": datetime.datetime,
    "decimal": Decimal,
    "uuid": str,
}
_JSON: Mapping[str, Schema] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
}


def record_model(schema: Schema) -> type[BaseModel]:
    """The model of a whole record: what JSON of a topic is checked against. Unknown fields are ignored, as Avro does.

    Raises UsageError for Avro types that have no JSON form here.
    """
    return _model(schema, fields(schema), labels=(), config=ConfigDict(extra="ignore", strict=False))


def answer_model(schema: Schema, labels: Sequence[str]) -> type[BaseModel]:
    """The model of what a language model must say: the fields that are `answer: model`, bounds and labels checked."""
    return _model(schema, _answered(schema), labels=labels, config=ConfigDict(extra="forbid", strict=False))


def provider_schema(schema: Schema, labels: Sequence[str]) -> Schema:
    """The strict JSON schema of the same fields, in the subset that all providers accept."""
    return _json_object(_answered(schema), labels)


def read_json(model: type[BaseModel], data: bytes) -> dict[str, object]:
    """A record from its JSON bytes, defaults filled in.

    Raises ContractError that names the field and the rule; the value is not in the message.
    """
    try:
        return model.model_validate_json(data).model_dump()
    except ValidationError as error:
        raise ContractError("; ".join(problems(error))) from None


def check_bounds(schema: Schema, record: Mapping[str, object]) -> None:
    """Checks the bounds of a decoded Avro record's own text fields. Raises ContractError that names field and rule."""
    for field in fields(schema):
        value = record.get(str(field["name"]))
        shortest = cast(int, field.get("minLength", 0))
        longest = cast(int, field.get("maxLength", 0))
        if isinstance(value, str):
            if len(value.strip()) < shortest:
                raise ContractError(f"{field['name']}: must not be empty")
            if longest and len(value) > longest:
                raise ContractError(f"{field['name']}: longer than {longest} characters")


def problems(error: ValidationError, most: int = 8) -> list[str]:
    """What is wrong with an answer or a record, a line each, without quoting it."""
    found = []
    for item in error.errors(include_input=False, include_url=False, include_context=False)[:most]:
        where = ".".join(str(part) for part in item["loc"]) or "the whole"
        what = "is not JSON" if item["type"] == "json_invalid" else item["msg"]
        found.append(f"{where}: {what}")
    return found


def fields(schema: Schema) -> list[Schema]:
    """The fields of a record type."""
    return cast(list[Schema], schema["fields"])


def field_type(schema: Schema, name: str) -> Schema:
    """The record type of the field `name`. Raises UsageError when there is none or it is no record."""
    for field in fields(schema):
        if field["name"] == name and (record := record_of(field["type"])) is not None:
            return record
    raise UsageError(f"schema {schema['name']} has no record field {name}")


def record_of(avro: object) -> Schema | None:
    """The record inside a type: itself, or the non-null branch of a union."""
    if isinstance(avro, list):
        return next((found for part in avro if (found := record_of(part)) is not None), None)
    return cast(Schema, avro) if isinstance(avro, Mapping) and avro.get("type") == "record" else None


def items_of(avro: object) -> object | None:
    """The item type of an array, or None."""
    if isinstance(avro, list):
        return next((found for part in avro if (found := items_of(part)) is not None), None)
    return avro["items"] if isinstance(avro, Mapping) and avro.get("type") == "array" else None


def marked(schema: Schema, mark: str, value: object, prefix: str = "") -> list[tuple[str, Schema]]:
    """Dotted paths and fields whose annotation `mark` is `value`; `[]` stands for an array's items."""
    found = []
    for field in fields(schema):
        path = f"{prefix}{field['name']}"
        inner = record_of(field["type"])
        item = items_of(field["type"])
        item_record = record_of(item) if item is not None else None
        if field.get(mark) == value:
            found.append((path if item is None or item_record is not None else f"{path}[]", field))
        if inner is not None:
            found += marked(inner, mark, value, f"{path}.")
        if item_record is not None:
            found += marked(item_record, mark, value, f"{path}[].")
    return found


def _answered(schema: Schema) -> list[Schema]:
    return [field for field in fields(schema) if field.get("answer") == "model"]


def _model(schema: Schema, chosen: Sequence[Schema], labels: Sequence[str], config: ConfigDict) -> type[BaseModel]:
    made: dict[str, tuple[object, object]] = {}
    for field in chosen:
        kind = _python(field["type"], field, labels, config)
        default = Field(default=field["default"], validate_default=True) if "default" in field else Field()
        made[str(field["name"])] = (kind, default)
    create = cast("_CreateModel", create_model)
    return create(str(schema["name"]), __config__=config, __doc__=str(schema.get("doc", "")), **made)


class _CreateModel:
    """How `create_model` is called here; its own signature has no room for fields that are data."""

    def __call__(self, name: str, /, *, __config__: ConfigDict, __doc__: str, **made: object) -> type[BaseModel]:
        raise NotImplementedError


def _python(avro: object, field: Schema, labels: Sequence[str], config: ConfigDict) -> object:
    """The annotation of one Avro type."""
    if isinstance(avro, list):
        branches = [_python(part, field, labels, config) for part in avro if part != "null"]
        if len(branches) != 1:
            raise UsageError(f"field {field.get('name')}: a union of more than one type and null is not supported")
        return branches[0] | None if "null" in avro else branches[0]  # type: ignore[operator]  # made at run time
    if isinstance(avro, Mapping):
        match avro["type"]:
            case "record":
                inner = cast(Schema, avro)
                only_answered = config.get("extra") == "forbid"
                return _model(inner, _answered(inner) if only_answered else fields(inner), labels, config)
            case "enum":
                return Literal[tuple(cast(list[str], avro["symbols"]))]
            case "array":
                item = _python(avro["items"], {k: v for k, v in field.items() if k != "maxItems"}, labels, config)
                most = cast(int | None, field.get("maxItems"))
                return Annotated[list[item], Field(max_length=most)]  # type: ignore[valid-type]  # made at run time
            case "map":
                value = _python(avro["values"], {}, labels, config)
                return dict[str, value]  # type: ignore[valid-type]  # made at run time
        if (logical := avro.get("logicalType")) is not None:
            return _LOGICAL[str(logical)]
        return _python(avro["type"], field, labels, config)
    if field.get("labels"):
        return Literal[tuple(labels)] if labels else str
    kind = _PRIMITIVES[str(avro)]
    if kind is str:
        return Annotated[
            str,
            Field(
                min_length=cast(int | None, field.get("minLength")),
                max_length=cast(int | None, field.get("maxLength")),
                pattern=cast(str | None, field.get("pattern")),
            ),
        ]
    if kind in (int, float):
        return Annotated[
            kind, Field(ge=cast(float | None, field.get("minimum")), le=cast(float | None, field.get("maximum")))
        ]
    return kind


def _json_object(chosen: Sequence[Schema], labels: Sequence[str]) -> Schema:
    properties = {str(field["name"]): _described(field, _json(field["type"], field, labels)) for field in chosen}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _json(avro: object, field: Schema, labels: Sequence[str]) -> Schema:
    if isinstance(avro, list):
        branch = next(part for part in avro if part != "null")
        inner = _json(branch, field, labels)
        return {"anyOf": [inner, {"type": "null"}]} if "null" in avro else inner
    if isinstance(avro, Mapping):
        match avro["type"]:
            case "record":
                return _json_object(_answered(cast(Schema, avro)), labels)
            case "enum":
                return {"type": "string", "enum": list(cast(list[str], avro["symbols"]))}
            case "array":
                return {"type": "array", "items": _json(avro["items"], {}, labels)}
        match avro.get("logicalType"):
            case "date":
                return {"type": "string", "format": "date"}
            case "timestamp-millis" | "timestamp-micros":
                return {"type": "string", "format": "date-time"}
            case "decimal":
                raise UsageError(f"field {field.get('name')}: exact amounts are parsed by code, not asked of a model")
        return _json(avro["type"], field, labels)
    if field.get("labels") and labels:
        return {"type": "string", "enum": list(labels)}
    if avro not in _JSON:
        raise UsageError(f"field {field.get('name')}: a model cannot answer with Avro type {avro}")
    return _JSON[str(avro)]


def _described(field: Schema, found: Schema) -> Schema:
    """The property with its description, bounds in words: providers differ in which they enforce."""
    words = [str(field.get("doc", "")).strip()]
    if (longest := field.get("maxLength")) is not None:
        words.append(f"At most {longest} characters{' each' if found.get('type') == 'array' else ''}.")
    if (most := field.get("maxItems")) is not None:
        words.append(f"At most {most} items.")
    return {**found, "description": " ".join(words)}
