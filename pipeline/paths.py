"""Dotted paths into decoded records: `customer.name`, `documents[].text`, `attributes.*`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping


def strings(record: object, path: str) -> Iterator[tuple[str, str]]:
    """Each non-empty string that `path` reaches, with its exact path (`documents[0].text`)."""
    yield from _walk(record, _split(path), "")


def first(record: Mapping[str, object], path: str) -> object:
    """The value at a path without arrays; None when something on the way is missing."""
    found: object = record
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def replaced(record: object, path: str, change: Callable[[str], str]) -> object:
    """A copy of the record in which each string that `path` reaches is `change(string)`."""
    return _replaced(record, _split(path), change)


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.replace("[]", ".[]").split("."))


def _walk(value: object, parts: tuple[str, ...], at: str) -> Iterator[tuple[str, str]]:
    if not parts:
        if isinstance(value, str) and value:
            yield at, value
        return
    head, rest = parts[0], parts[1:]
    if head == "[]":
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _walk(item, rest, f"{at}[{index}]")
    elif isinstance(value, Mapping):
        names = sorted(value) if head == "*" else [head]
        for name in names:
            if name in value:
                yield from _walk(value[name], rest, f"{at}.{name}" if at else name)


def _replaced(value: object, parts: tuple[str, ...], change: Callable[[str], str]) -> object:
    if not parts:
        return change(value) if isinstance(value, str) else value
    head, rest = parts[0], parts[1:]
    if head == "[]":
        return [_replaced(item, rest, change) for item in value] if isinstance(value, list) else value
    if isinstance(value, Mapping):
        names = set(value) if head == "*" else {head}
        return {name: _replaced(item, rest, change) if name in names else item for name, item in value.items()}
    return value
