"""Changes of a record, as people write them: `field=value`, and small expressions for many records at once.

    EXPRESSION  =  "text" | 'text' | number | true | false | null | FIELD | FUNCTION(EXPRESSION, ...)
    FIELD       =  name, or name.name for a record inside the record

    upper(x) lower(x) trim(x)       text in capitals, in small letters, without blanks around it
    replace(x, "old", "new")        every `old` in it replaced
    concat(x, y, ...)               one text after the other
    cut(x, n)                       the first n characters
    default(x, y)                   x, or y where x is null or empty

Nothing else can be said, and nothing of it is run as code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from pipeline import contract
from pipeline.contract import Schema
from pipeline.errors import UsageError

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Tree: TypeAlias = "dict[str, Json]"

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<mark>[(),]))"""
)
_WORDS: Final[Mapping[str, Json]] = {"null": None, "true": True, "false": False}
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One field's new value, told by a function of the record."""

    field: str
    value: Callable[[Tree], Json]

    def apply(self, record: Tree) -> None:
        """Changes the record. Raises UsageError when the expression does not fit its values."""
        *path, last = self.field.split(".")
        inner = record
        for name in path:
            below = inner.get(name)
            if not isinstance(below, dict):
                raise UsageError(f"{self.field}: {name} holds no record here")
            inner = below
        inner[last] = self.value(record)


def setting(text: str, schema: Schema) -> Change:
    """`field=value`, the value read as the field's type says. Raises UsageError."""
    field, value = _split(text, schema)
    if _is_text(contract.type_at(schema, field)):
        return Change(field, lambda _: value)
    try:
        found = json.loads(value)
    except ValueError:
        raise UsageError(f"{field} is no text: write its value as JSON, like 12, true or null") from None
    return Change(field, lambda _: cast(Json, found))


def mapping(text: str, schema: Schema) -> Change:
    """`field=expression`. Raises UsageError that says where the expression goes wrong."""
    field, expression = _split(text, schema)
    return Change(field, _Parser(expression, schema).whole())


def _split(text: str, schema: Schema) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    field = field.strip()
    if not equals or not field:
        raise UsageError(f"{text!r} is not of the form field=value")
    _known(field, schema)
    return field, value


def _known(field: str, schema: Schema) -> None:
    if contract.type_at(schema, field) is None:
        there = ", ".join(str(one["name"]) for one in contract.fields(schema))
        raise UsageError(f"there is no field {field}; there are: {there}")


def _is_text(avro: object) -> bool:
    """Strings, and what JSON writes as one: times, amounts, bytes, names of a list."""
    kind = contract.without_null(avro)
    if isinstance(kind, Mapping):
        return "logicalType" in kind or kind.get("type") in ("string", "enum", "bytes", "fixed")
    return kind in ("string", "bytes")


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, schema: Schema) -> None:
        self._text, self._schema, self._at = text, schema, 0

    def whole(self) -> Callable[[Tree], Json]:
        found = self._expression(0)
        if self._text[self._at :].strip():
            raise self._wrong("nothing more is expected")
        return found

    def _expression(self, depth: int) -> Callable[[Tree], Json]:
        if depth > _DEEPEST:
            raise self._wrong("it is nested too deep")
        kind, token = self._next()
        if kind == "text":
            text = _unquoted(token)
            return lambda _: text
        if kind == "number":
            number: Json = (
                json.loads(token) if not token.lstrip("-").startswith("0") or len(token) < 3 else float(token)
            )
            return lambda _: number
        if kind != "name":
            raise self._wrong("a field, a text, a number or a function is expected")
        if token in _WORDS:
            word = _WORDS[token]
            return lambda _: word
        if self._peek() == "(":
            return self._call(token, depth)
        _known(token, self._schema)
        return lambda record: _field(record, token)

    def _call(self, name: str, depth: int) -> Callable[[Tree], Json]:
        if name not in _FUNCTIONS:
            raise self._wrong(f"there is no function {name}; there are: {', '.join(_FUNCTIONS)}")
        function, least, most = _FUNCTIONS[name]
        self._next()
        arguments: list[Callable[[Tree], Json]] = []
        while self._peek() != ")":
            if arguments and self._next()[1] != ",":
                raise self._wrong("a comma is expected")
            arguments.append(self._expression(depth + 1))
        self._next()
        if not least <= len(arguments) <= most:
            raise self._wrong(f"{name} does not take {len(arguments)} values")
        return lambda record: function([argument(record) for argument in arguments])

    def _next(self) -> tuple[str, str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            raise self._wrong("this is not understood")
        self._at = found.end()
        return found.lastgroup, found[found.lastgroup]

    def _peek(self) -> str:
        rest = self._text[self._at :].lstrip()
        return rest[:1]

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"expression {self._text!r}, at character {self._at + 1}: {what}")


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _field(record: Tree, path: str) -> Json:
    value: Json = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: Json, function: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{function} takes texts; one of the values is none")
    return value


def _of_text(function: str, change: Callable[[str], str]) -> Callable[[Sequence[Json]], Json]:
    """Null stays null."""
    return lambda given: None if given[0] is None else change(_text(given[0], function))


def _replaced(given: Sequence[Json]) -> Json:
    old, new = _text(given[1], "replace"), _text(given[2], "replace")
    return None if given[0] is None else _text(given[0], "replace").replace(old, new)


def _cut(given: Sequence[Json]) -> Json:
    if isinstance(given[1], bool) or not isinstance(given[1], int) or given[1] < 0:
        raise UsageError("cut takes a number of characters")
    return None if given[0] is None else _text(given[0], "cut")[: given[1]]


def _default(given: Sequence[Json]) -> Json:
    return given[1] if given[0] is None or given[0] == "" else given[0]


_FUNCTIONS: Final[Mapping[str, tuple[Callable[[Sequence[Json]], Json], int, int]]] = {
    "upper": (_of_text("upper", str.upper), 1, 1),
    "lower": (_of_text("lower", str.lower), 1, 1),
    "trim": (_of_text("trim", str.strip), 1, 1),
    "replace": (_replaced, 3, 3),
    "concat": (lambda given: "".join(_text(one, "concat") for one in given), 1, 20),
    "cut": (_cut, 2, 2),
    "default": (_default, 2, 2),
}
