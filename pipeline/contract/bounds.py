"""The bounds of a schema's fields, checked on a decoded record; Avro itself knows only types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from pipeline.contract.structure import Schema, expanded, fields, items_of, record_of
from pipeline.errors import ContractError

BOUNDS: Final = frozenset({"minLength", "maxLength", "pattern", "minimum", "maximum", "maxItems"})
_Check = Callable[[object, str], str | None]
"""What is wrong with a value at a path, in words that do not quote it; None when nothing is."""


class Bounds:
    """The bounds of one schema, nested records and arrays included. Made once, used for each record."""

    def __init__(self, schema: Schema) -> None:
        self._check = _record(expanded(schema))

    def check(self, record: Mapping[str, object]) -> None:
        """Raises ContractError that names the field and the rule; the value is not in the message."""
        if self._check is not None and (wrong := self._check(record, "")) is not None:
            raise ContractError(wrong)


def _record(schema: Schema) -> _Check | None:
    checks = [(str(field["name"]), found) for field in fields(schema) if (found := _field(field)) is not None]
    if not checks:
        return None

    def check(value: object, at: str) -> str | None:
        if isinstance(value, Mapping):
            for name, bound in checks:
                if wrong := bound(value.get(name), f"{at}.{name}" if at else name):
                    return wrong
        return None

    return check


def _field(field: Schema) -> _Check | None:
    """The check of one field; lengths and patterns of an array are those of each item."""
    if (record := record_of(field["type"])) is not None:
        return _record(record)
    if (items := items_of(field["type"])) is None:
        return _value(field)
    item_record = record_of(items)
    each = _value(field) if item_record is None else _record(item_record)
    most = cast(int | None, field.get("maxItems"))
    if each is None and most is None:
        return None

    def check(value: object, at: str) -> str | None:
        if not isinstance(value, list):
            return None
        if most is not None and len(value) > most:
            return f"{at}: more than {most} items"
        for index, item in enumerate(value):
            if each is not None and (wrong := each(item, f"{at}[{index}]")):
                return wrong
        return None

    return check


def _value(field: Schema) -> _Check | None:
    shortest, longest = cast(int, field.get("minLength", 0)), cast(int | None, field.get("maxLength"))
    least, greatest = cast(float | None, field.get("minimum")), cast(float | None, field.get("maximum"))
    pattern = re.compile(str(field["pattern"])) if "pattern" in field else None
    if not (shortest or longest or pattern or least is not None or greatest is not None):
        return None

    def check(value: object, at: str) -> str | None:
        if isinstance(value, str):
            if len(value.strip()) < shortest:
                return f"{at}: {too_short(shortest)}"
            if longest is not None and len(value) > longest:
                return f"{at}: longer than {longest} characters"
            if pattern is not None and not pattern.search(value):
                return f"{at}: does not match {pattern.pattern}"
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if least is not None and value < least:
                return f"{at}: less than {least}"
            if greatest is not None and value > greatest:
                return f"{at}: more than {greatest}"
        return None

    return check


def too_short(shortest: int) -> str:
    """How a text that is too short, blanks around it left out, is told."""
    return "must not be empty" if shortest == 1 else f"shorter than {shortest} characters"
