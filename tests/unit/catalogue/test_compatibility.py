"""A new schema version must read what older ones wrote; if it does not, its author is told which field and why."""

import io
from collections.abc import Mapping

import fastavro
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pipeline.contract import Schema, breaks


def record(*fields: Mapping[str, object], name: str = "R") -> Schema:
    return {"type": "record", "name": name, "namespace": "t", "fields": list(fields)}


def enum(*symbols: str, **more: object) -> Schema:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def decimal(precision: int, scale: int) -> Schema:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


A: Mapping[str, object] = {"name": "a", "type": "string"}


@pytest.mark.parametrize(
    "reader",
    [
        record(A),
        record(A, {"name": "b", "type": "string", "default": ""}),
        record({"name": "a", "type": ["null", "string"]}),
        record({"name": "z", "type": "string", "aliases": ["a"]}),
        record({"name": "a", "type": "bytes"}),
        record(),
        {**record(A, name="S"), "aliases": ["t.R"]},
    ],
)
def test_these_changes_are_fine(reader: Schema) -> None:
    assert breaks(reader, record(A)) == []


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (record(), record(A), "a: is new and has no default"),
        (record(A), record({"name": "a", "type": "int"}), "a: was string, is now int"),
        (record({"name": "a", "type": "long"}), record({"name": "a", "type": "int"}), "a: was long, is now int"),
        (record({"name": "a", "type": ["null", "string"]}), record(A), "a: may no longer be null"),
        (
            record({"name": "a", "type": ["string", "int"]}),
            record({"name": "a", "type": ["null", "string"]}),
            "a: int is no longer among its types",
        ),
        (
            record({"name": "a", "type": enum("X", "Y", "Z")}),
            record({"name": "a", "type": enum("X")}),
            "a: Y, Z was taken out",
        ),
        (record(A), record(A, name="S"), "the record: record R is now named S"),
        (
            record({"name": "a", "type": {"type": "array", "items": record(A, name="I")}}),
            record({"name": "a", "type": {"type": "array", "items": record(A, {**A, "name": "b"}, name="I")}}),
            "a[].b: is new and has no default",
        ),
        (
            record({"name": "a", "type": ["null", record(name="I")]}),
            record({"name": "a", "type": ["null", record(A, name="I")]}),
            "a.a: is new and has no default",
        ),
        (
            record({"name": "a", "type": {"type": "map", "values": "string"}}),
            record({"name": "a", "type": {"type": "map", "values": "int"}}),
            "a.*: was string, is now int",
        ),
        (
            record({"name": "a", "type": decimal(9, 2)}),
            record({"name": "a", "type": decimal(9, 4)}),
            "a: the decimal's scale changed",
        ),
        (
            record({"name": "a", "type": decimal(9, 2)}),
            record({"name": "a", "type": decimal(6, 2)}),
            "a: the decimal has fewer digits",
        ),
        (
            record({"name": "a", "type": {"type": "long", "logicalType": "timestamp-millis"}}),
            record({"name": "a", "type": {"type": "long", "logicalType": "timestamp-micros"}}),
            "a: was timestamp-millis, is now timestamp-micros",
        ),
        (
            record({"name": "a", "type": {"type": "fixed", "name": "F", "size": 4}}),
            record({"name": "a", "type": {"type": "fixed", "name": "F", "size": 8}}),
            "a: its size changed",
        ),
    ],
)
def test_a_break_is_told_by_field_and_reason(before: Schema, after: Schema, why: str) -> None:
    assert breaks(after, before) == [why]


def test_a_symbol_may_go_when_another_stands_in() -> None:
    before, after = enum("X", "Y"), enum("X", default="X")
    assert breaks(record({"name": "a", "type": after}), record({"name": "a", "type": before})) == []


KINDS = st.recursive(
    st.sampled_from(["string", "bytes", "int", "long", "float", "double", "boolean"]),
    lambda inner: st.one_of(
        st.builds(lambda kind: ["null", kind], inner.filter(lambda kind: not isinstance(kind, list))),
        st.builds(lambda kind: {"type": "array", "items": kind}, inner),
        st.builds(lambda kind: {"type": "map", "values": kind}, inner),
    ),
    max_leaves=3,
)
RECORDS = st.dictionaries(st.sampled_from("abcd"), KINDS, max_size=4)


def value_of(kind: object) -> st.SearchStrategy[object]:
    """Values that the writer may write."""
    if isinstance(kind, list):
        return st.none() | value_of(kind[1])
    if isinstance(kind, Mapping):
        if kind["type"] == "array":
            return st.lists(value_of(kind["items"]), max_size=2).map(lambda found: found)
        return st.dictionaries(st.text(max_size=2), value_of(kind["values"]), max_size=2).map(lambda found: found)
    return {
        "string": st.text(max_size=3),
        "bytes": st.text(max_size=3).map(str.encode),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(width=32, allow_nan=False),
        "double": st.floats(allow_nan=False),
        "boolean": st.booleans(),
    }[str(kind)]


def schema_of(kinds: Mapping[str, object]) -> Schema:
    return record(*({"name": name, "type": kind} for name, kind in kinds.items()))


@settings(max_examples=150, deadline=None)
@given(st.data(), RECORDS, RECORDS)
def test_what_is_called_compatible_can_be_read(
    data: st.DataObject, before: dict[str, object], changed: dict[str, object]
) -> None:
    after = before | changed
    writer, reader = schema_of(before), schema_of({name: kind for name, kind in after.items() if name in before})
    assume(breaks(reader, writer) == [])
    written = {name: data.draw(value_of(kind)) for name, kind in before.items()}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, dict(writer), written)
    out.seek(0)
    fastavro.schemaless_reader(out, dict(writer), dict(reader))


@settings(max_examples=100, deadline=None)
@given(RECORDS)
def test_every_schema_reads_itself(kinds: dict[str, object]) -> None:
    assert breaks(schema_of(kinds), schema_of(kinds)) == []
