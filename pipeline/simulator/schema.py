"""From the JSON schema in a request to what makes its answers.

Understood are objects, arrays, `enum`, `const`, `anyOf`/`oneOf` with null, lists of types, formats `date` and
`date-time`, `pattern`, bounds of numbers, strings and arrays, `$defs` and `$ref`. Bounds may also stand in words in the
description ("At most 280 characters."), where schemas for several vendors keep them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

import orjson

from pipeline.simulator.answers import Drawn, Items, Label, Node, Nullable, Number, Record, Text
from pipeline.simulator.topics import topic, words_of

Schema = Mapping[str, object]

_LONGEST_TEXT = 240
_MOST_ITEMS = 4
_DEEPEST = 12
_WORDED_LENGTH = re.compile(r"at most (\d+) characters", re.IGNORECASE)
_WORDED_ITEMS = re.compile(r"at most (\d+) items", re.IGNORECASE)
_CONFIDENCE = frozenset(("confidence", "probability", "certainty", "score"))


@lru_cache(maxsize=256)
def answerer(schema: bytes) -> Record:
    """What makes the answers of this schema (its JSON). Raises ValueError that says what is wrong with it."""
    root = orjson.loads(schema)
    made = _Reader(root).node(root, "answer", {}, 0)
    if not isinstance(made, Record):
        raise ValueError("the schema's root must be of type object")
    return made


class _Reader:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def node(self, schema: object, name: str, outer: Schema, depth: int) -> Node:
        """`outer` is the schema around: an array's description speaks of its items too."""
        schema = self.resolved(schema)
        if depth > _DEEPEST:
            return Drawn(name, (None,))
        if "const" in schema:
            return Drawn(name, (schema["const"],))
        if "enum" in schema:
            return _choice(name, schema)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._either([self.resolved(part) for part in _list(schema[word])], schema, name, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._either([{**schema, "type": one} for one in kind], schema, name, depth)
        match kind:
            case "object":
                fields = cast(Mapping[str, object], schema.get("properties") or {})
                return Record(tuple((key, self.node(value, key, schema, depth + 1)) for key, value in fields.items()))
            case "array":
                most = _bound(schema, "maxItems", _WORDED_ITEMS, _MOST_ITEMS)
                item = self.node(schema.get("items") or {"type": "string"}, name, schema, depth + 1)
                return Items(item, int(_number(schema, "minItems", 0)), most)
            case "string":
                return _text(name, schema, outer)
            case "integer" | "number":
                return _numeric(name, schema, whole=kind == "integer")
            case "boolean":
                return Drawn(name, (False, False, False, True))
            case "null":
                return Drawn(name, (None,))
        raise ValueError(f"the schema of {name} has no type that is understood")

    def resolved(self, schema: object) -> Schema:
        if not isinstance(schema, Mapping):
            raise ValueError("a schema must be an object")
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                break
            found: object = self._root
            for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                found = found.get(part) if part and isinstance(found, Mapping) else found
            if not isinstance(found, Mapping):
                raise ValueError(f"reference {schema['$ref']} leads nowhere")
            schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        return cast(Schema, schema)

    def _either(self, branches: Sequence[Schema], schema: Schema, name: str, depth: int) -> Node:
        real = [branch for branch in branches if branch.get("type") != "null"]
        if not real:
            return Drawn(name, (None,))
        first = {**real[0], "description": real[0].get("description") or schema.get("description", "")}
        inner = self.node(first, name, schema, depth + 1)
        return Nullable(inner) if len(real) < len(branches) else inner


def _choice(name: str, schema: Schema) -> Node:
    values = _list(schema["enum"])
    real = [value for value in values if value is not None]
    if not real or not all(isinstance(value, str) for value in real):
        return Drawn(name, tuple(values))
    labels = tuple(cast(Sequence[str], real))
    return Label(name, labels, str(schema.get("description", "")), topic(name))


def _text(name: str, schema: Schema, outer: Schema) -> Text:
    described: Schema = schema
    if outer.get("type") == "array":
        described = {**schema, "description": f"{schema.get('description', '')} {outer.get('description', '')}"}
    longest = _bound(described, "maxLength", _WORDED_LENGTH, _LONGEST_TEXT)
    pattern = schema.get("pattern")
    return Text(
        " ".join(words_of(name)),
        topic(name, str(schema.get("format", ""))),
        int(_number(schema, "minLength", 0)),
        longest,
        re.compile(pattern) if isinstance(pattern, str) else None,
    )


def _numeric(name: str, schema: Schema, *, whole: bool) -> Number:
    step = 1 if whole else 0.01
    low = max(_number(schema, "minimum", -math.inf), _number(schema, "exclusiveMinimum", -math.inf) + step)
    high = min(_number(schema, "maximum", math.inf), _number(schema, "exclusiveMaximum", math.inf) - step)
    if math.isinf(low):
        low = min(0.0, high)
    if math.isinf(high):
        high = low + 100
    confidence = not whole and bool(_CONFIDENCE & set(words_of(name))) and low <= 0.55 and high >= 0.98
    return Number(name, whole, low, high, confidence)


def _bound(schema: Schema, word: str, worded: re.Pattern[str], most: int) -> int:
    if word in schema:
        return int(_number(schema, word, most))
    found = worded.search(str(schema.get("description", "")))
    return min(int(found[1]), 10 * most) if found else most


def _number(schema: Schema, word: str, default: float) -> float:
    value = schema.get(word)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _list(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError("enum, anyOf and oneOf must be lists with something in them")
    return value
