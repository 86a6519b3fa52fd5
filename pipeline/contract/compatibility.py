"""Whether a new version of a schema still reads what older ones wrote, and if not, why: Avro's resolution rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from pipeline.contract.structure import Schema, expanded, fields

_PROMOTED: Final[Mapping[str, frozenset[str]]] = {
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""Reader's type to the writers' types that it reads too (Avro specification, Schema Resolution)."""


def breaks(reader: Schema, writer: Schema) -> list[str]:
    """Why data written with `writer` cannot be read with `reader`, a line each that names the field; empty when it can.

    Stricter than Avro in one thing: a decimal may not lose digits and may not change its scale, nor a time its unit.
    """
    return list(_breaks(expanded(reader), expanded(writer), ""))


def _breaks(reader: object, writer: object, at: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            if branch == "null" and not _nullable(reader):
                yield _line(at, "may no longer be null")
            else:
                yield from _breaks(reader, branch, at)
    elif isinstance(reader, list):
        found = [list(_breaks(branch, writer, at)) for branch in reader]
        if all(found):
            others = [why for branch, why in zip(reader, found, strict=True) if _kind(branch) == _kind(writer)]
            yield from others[0] if others else [_line(at, f"{_kind(writer)} is no longer among its types")]
    elif _kind(reader) != _kind(writer):
        if _kind(writer) not in _PROMOTED.get(_kind(reader), ()):
            yield _line(at, f"was {_kind(writer)}, is now {_kind(reader)}")
    elif isinstance(reader, Mapping) and isinstance(writer, Mapping):
        yield from _complex(reader, writer, at)


def _complex(reader: Schema, writer: Schema, at: str) -> Iterator[str]:
    kind = _kind(reader)
    if kind in ("record", "enum", "fixed") and not _same_name(reader, writer):
        yield _line(at, f"{kind} {writer['name']} is now named {reader['name']}")
    match kind:
        case "record":
            yield from _record(reader, writer, at)
        case "enum" if "default" not in reader:
            gone = set(cast(Sequence[str], writer["symbols"])) - set(cast(Sequence[str], reader["symbols"]))
            if gone:
                yield _line(at, f"{', '.join(sorted(gone))} was taken out")
        case "array":
            yield from _breaks(reader["items"], writer["items"], f"{at}[]")
        case "map":
            yield from _breaks(reader["values"], writer["values"], f"{at}.*")
        case "fixed" if reader["size"] != writer["size"]:
            yield _line(at, "its size changed")
        case _:
            yield from _logical(reader, writer, at)


def _record(reader: Schema, writer: Schema, at: str) -> Iterator[str]:
    written = {str(field["name"]): field for field in fields(writer)}
    for field in fields(reader):
        name = str(field["name"])
        path = f"{at}.{name}" if at else name
        names = [name, *cast(Sequence[str], field.get("aliases", ()))]
        source = next((written[known] for known in names if known in written), None)
        if source is not None:
            yield from _breaks(field["type"], source["type"], path)
        elif "default" not in field:
            yield _line(path, "is new and has no default")


def _logical(reader: Schema, writer: Schema, at: str) -> Iterator[str]:
    now, before = reader.get("logicalType"), writer.get("logicalType")
    if now and before and now != before:
        yield _line(at, f"was {before}, is now {now}")
    elif now == before == "decimal":
        if reader.get("scale", 0) != writer.get("scale", 0):
            yield _line(at, "the decimal's scale changed")
        if cast(int, reader["precision"]) < cast(int, writer["precision"]):
            yield _line(at, "the decimal has fewer digits")


def _same_name(reader: Schema, writer: Schema) -> bool:
    before = _full(writer, str(writer["name"]))
    names = [str(reader["name"]), *cast(Sequence[str], reader.get("aliases", ()))]
    return before in {_full(reader, name) for name in names}


def _full(avro: Schema, name: str) -> str:
    return name if "." in name else f"{avro.get('namespace', '')}.{name}"


def _kind(avro: object) -> str:
    return str(avro["type"]) if isinstance(avro, Mapping) else str(avro)


def _nullable(avro: object) -> bool:
    return avro == "null" or (isinstance(avro, list) and "null" in avro)


def _line(at: str, what: str) -> str:
    return f"{at or 'the record'}: {what}"
