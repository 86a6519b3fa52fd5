"""A record as a form with one entry for each field of its schema, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from pipeline import contract
from pipeline.errors import NotTakenError, UsageError

_LONG: Final = 60
"""Characters from which a text gets several lines."""
_DEEPEST: Final = 50
"""Lists and records inside one another: no schema has so many, and each takes its share of the stack."""
_MISSING: Final = object()


class Kind(StrEnum):
    """How a field is written."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    CHOICE = "choice"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the form."""

    name: str
    doc: str
    kind: Kind
    written: str
    required: bool
    choices: Sequence[str] = ()
    problem: str = ""


def entries(schema: contract.Schema, text: str, problems: Mapping[str, str]) -> list[Entry]:
    """A form for a value as text; fields that it has not are empty, all of them when it is no record.

    `problems`: by path; those inside a field stand at it.
    """
    record = _record(text)
    return [_entry(field, record.get(str(field["name"]), _MISSING), problems) for field in _fields(schema)]


def rewritten(schema: contract.Schema, written: Mapping[str, str], problems: Mapping[str, str]) -> list[Entry]:
    """The form again, as somebody filled it in."""
    return [
        _made(field, written.get(str(field["name"]), ""), problems, long="\n" in written.get(str(field["name"]), ""))
        for field in _fields(schema)
    ]


def value(schema: contract.Schema, written: Mapping[str, str]) -> str:
    """The record as JSON. Raises NotTakenError for entries that cannot be read."""
    record: dict[str, object] = {}
    problems: dict[str, str] = {}
    for field in _fields(schema):
        name = str(field["name"])
        try:
            found = _value(field, written.get(name, ""))
        except ValueError:
            problems[name] = "write it as JSON, like 12, true, null or {}"
            continue
        if found is not _MISSING:
            record[name] = found
    if problems:
        raise NotTakenError("some fields cannot be read", problems)
    return json.dumps(record, ensure_ascii=False)


def elsewhere(schema: contract.Schema, problems: Mapping[str, str]) -> list[str]:
    """Problems that are at no field of the form."""
    names = {str(field["name"]) for field in _fields(schema)}
    return [f"{path}: {what}" for path, what in problems.items() if _top(path) not in names]


def _entry(field: contract.Schema, found: object, problems: Mapping[str, str]) -> Entry:
    if found is _MISSING or found is None:
        written = ""
    elif _is_text(field) and isinstance(found, str):
        written = found
    else:
        written = json.dumps(found, ensure_ascii=False, indent=2 if isinstance(found, dict | list) and found else None)
    return _made(field, written, problems, long="\n" in written or len(written) > _LONG)


def _made(field: contract.Schema, written: str, problems: Mapping[str, str], *, long: bool) -> Entry:
    name = str(field["name"])
    symbols = _symbols(field)
    kind = Kind.CHOICE if symbols else Kind.JSON if not _is_text(field) else Kind.LONG_TEXT if long else Kind.TEXT
    if kind is Kind.TEXT and field.get("personal") == "text":
        kind = Kind.LONG_TEXT
    inside = [what if path == name else f"{path}: {what}" for path, what in problems.items() if _top(path) == name]
    required = "default" not in field
    choices = symbols if required else ["", *symbols]
    return Entry(
        name, str(field.get("doc", "")), kind, written, required, choices if symbols else (), "; ".join(inside)
    )


def _value(field: contract.Schema, written: str) -> object:
    if written.strip():
        return written if _is_text(field) or _symbols(field) else _parsed(written)
    if "default" in field:
        # Left empty means empty; where the default is something else it is what stands for "not said".
        return field["default"]
    if _nullable(field):
        return None
    return "" if _is_text(field) else _MISSING


def _fields(schema: contract.Schema) -> list[contract.Schema]:
    return contract.fields(contract.expanded(schema))


def _record(text: str) -> Mapping[str, object]:
    try:
        found = _parsed(text)
    except ValueError:
        return {}
    return cast(Mapping[str, object], found) if isinstance(found, dict) else {}


def _parsed(text: str) -> object:
    """Raises ValueError when it is no JSON, or deeper than any record."""
    try:
        found: object = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    level = [found]
    for _ in range(_DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
        if not level:
            return found
    raise ValueError("too deep")


def _type(field: contract.Schema) -> object:
    try:
        return contract.without_null(field["type"])
    except UsageError:
        return None


def _is_text(field: contract.Schema) -> bool:
    found = _type(field)
    return found == "string" or (isinstance(found, Mapping) and found.get("type") == "string")


def _symbols(field: contract.Schema) -> list[str]:
    found = _type(field)
    return [str(one) for one in found["symbols"]] if isinstance(found, Mapping) and "symbols" in found else []


def _nullable(field: contract.Schema) -> bool:
    avro = field["type"]
    return isinstance(avro, list) and "null" in avro


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]
