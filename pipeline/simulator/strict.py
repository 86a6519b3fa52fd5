"""The rules that the vendors' strict structured outputs set for a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

Path = tuple[str, ...]

_BOUNDS: Mapping[str, frozenset[str]] = {
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    "string": frozenset(("minLength", "maxLength")),
    "array": frozenset(("maxItems", "uniqueItems")),
}
"""What Anthropic's grammar does not take (its page on structured outputs)."""


def openai_problem(schema: Mapping[str, object]) -> str | None:
    """What OpenAI would say against the schema, or None: closed objects, all properties required, root an object."""
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    for path, part in _parts(schema, ()):
        where = f"In context=({', '.join(repr(step) for step in path)}{',' if len(path) == 1 else ''})"
        if part.get("additionalProperties") is not False:
            return f"{where}, 'additionalProperties' is required to be supplied and to be false."
        properties = cast(Mapping[str, object], part.get("properties") or {})
        required = part.get("required")
        missing = next((name for name in properties if not isinstance(required, list) or name not in required), None)
        if missing is not None:
            return (
                f"{where}, 'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{missing}'."
            )
    return None


def anthropic_problem(schema: Mapping[str, object]) -> str | None:
    """What Anthropic would say against the schema, or None: closed objects, no bounds that its grammar lacks."""
    for _, part in _parts(schema, ()):
        if part.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    for part in _all(schema):
        kind = part.get("type")
        if isinstance(kind, str) and (unknown := sorted(_BOUNDS.get(kind, frozenset()) & part.keys())):
            return f"For '{kind}' type, properties {', '.join(unknown)} are not supported"
    return None


def _parts(schema: object, path: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """The object schemas inside a schema, with where they stand."""
    if not isinstance(schema, Mapping):
        return
    if schema.get("type") == "object" or "properties" in schema:
        yield path, schema
    for word in ("properties", "$defs"):
        for name, inner in (schema.get(word) or {}).items():
            yield from _parts(inner, (*path, word, name))
    if "items" in schema:
        yield from _parts(schema["items"], (*path, "items"))
    for at, inner in enumerate(schema.get("anyOf") or ()):
        yield from _parts(inner, (*path, "anyOf", str(at)))


def _all(schema: object) -> Iterator[Mapping[str, object]]:
    if isinstance(schema, Mapping):
        yield schema
        for word in ("properties", "$defs"):
            for inner in (schema.get(word) or {}).values():
                yield from _all(inner)
        yield from _all(schema.get("items"))
        for inner in schema.get("anyOf") or ():
            yield from _all(inner)
