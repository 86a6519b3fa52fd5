"""What stands where in a parsed `.avsc`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from pipeline.errors import UsageError

Schema = Mapping[str, object]
"""A parsed `.avsc`, or a type inside it."""

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def fields(schema: Schema) -> list[Schema]:
    """The fields of a record type."""
    return cast(list[Schema], schema["fields"])


def field_type(schema: Schema, name: str) -> Schema:
    """The record type of the field `name`, names resolved. Raises UsageError when there is none or it is no record."""
    for field in fields(expanded(schema)):
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


def without_null(avro: object) -> object:
    """The type itself, or the one branch of a union that is not null. Raises UsageError when there are several."""
    if not isinstance(avro, list):
        return avro
    branches = [part for part in avro if part != "null"]
    if len(branches) != 1:
        raise UsageError("a union of more than one type and null is not supported")
    return branches[0]


def annotated(schema: Schema, mark: str, prefix: str = "") -> list[tuple[str, Schema]]:
    """Dotted paths and fields that carry the annotation `mark`; `[]` stands for an array's items, `*` for a map's."""
    found = []
    for field in fields(expanded(schema) if not prefix else schema):
        path = f"{prefix}{field['name']}"
        inner = record_of(field["type"])
        item = items_of(field["type"])
        item_record = record_of(item) if item is not None else None
        if mark in field:
            found.append((path + _below(field["type"], item, item_record), field))
        if inner is not None:
            found += annotated(inner, mark, f"{path}.")
        if item_record is not None:
            found += annotated(item_record, mark, f"{path}[].")
    return found


def marked(schema: Schema, mark: str, value: object) -> list[tuple[str, Schema]]:
    """The same, of fields whose annotation is `value`."""
    return [(path, field) for path, field in annotated(schema, mark) if field[mark] == value]


def _below(avro: object, item: object | None, item_record: Schema | None) -> str:
    """What a marked field's path needs to reach its values."""
    if item is not None and item_record is None:
        return "[]"
    return ".*" if any(_is_map(part) for part in (avro if isinstance(avro, list) else [avro])) else ""


def type_at(schema: Schema, path: str) -> object | None:
    """The type that a dotted path reaches, null left out of unions; None when it reaches nothing.

    `documents[].text` and `attributes.*` reach the type of each item, of each value.
    """
    found: object = expanded(schema)
    for name in path.replace("[]", ".[]").split("."):
        found = without_null(found)
        if name == "[]":
            found = items_of(found)
        elif name == "*" and _is_map(found):
            found = cast(Schema, found)["values"]
        else:
            record = record_of(found)
            found = next((f["type"] for f in fields(record) if f["name"] == name), None) if record else None
        if found is None:
            return None
    return without_null(found)


def expanded(schema: Schema) -> Schema:
    """The same with every type that is named a second time written out. Raises UsageError for recursive types."""
    return cast(Schema, _expanded(schema, "", {}, frozenset()))


def _expanded(avro: object, space: str, known: dict[str, object], around: frozenset[str]) -> object:
    if isinstance(avro, list):
        return [_expanded(part, space, known, around) for part in avro]
    if isinstance(avro, str):
        if avro in PRIMITIVES:
            return avro
        name = _full(avro, space)
        if name in around:
            raise UsageError(f"type {avro} holds itself: recursive types are not supported")
        if name not in known:
            raise UsageError(f"type {avro} is not defined")
        return known[name]
    assert isinstance(avro, Mapping)
    match avro["type"]:
        case "record" | "enum" | "fixed":
            name = _full(str(avro["name"]), str(avro.get("namespace", space)))
            inside = name.rpartition(".")[0]
            found = {**avro, "namespace": inside}
            if avro["type"] == "record":
                around = around | {name}
                found["fields"] = [
                    {**field, "type": _expanded(field["type"], inside, known, around)} for field in fields(avro)
                ]
            known[name] = found
            return found
        case "array":
            return {**avro, "items": _expanded(avro["items"], space, known, around)}
        case "map":
            return {**avro, "values": _expanded(avro["values"], space, known, around)}
        case str() as kind if kind in PRIMITIVES:
            return avro
        case inner:
            return _expanded(inner, space, known, around)


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _is_map(avro: object) -> bool:
    return isinstance(avro, Mapping) and avro.get("type") == "map"
