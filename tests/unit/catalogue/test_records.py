"""What a publisher's JSON may be, and what it is told when it is not."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.contract import Bounds, Schema, read_json, record_model, type_at
from pipeline.errors import ContractError, UsageError


def record(*fields: Mapping[str, object]) -> Schema:
    """A record type with these fields."""
    return {"type": "record", "name": "R", "namespace": "t", "fields": list(fields)}


def only(avro: object, **marks: object) -> Schema:
    """A record type with one field `f`."""
    return record({"name": "f", "type": avro, **marks})


def read(schema: Schema, value: object) -> object:
    """The field `f` of a record read from JSON."""
    return read_json(record_model(schema), json.dumps({"f": value}).encode())["f"]


TIME = {"type": "long", "logicalType": "timestamp-millis"}
DAY = {"type": "int", "logicalType": "date"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("avro", "given", "read_as"),
    [
        ("string", "x", "x"),
        ("int", 2**31 - 1, 2**31 - 1),
        ("long", -(2**63), -(2**63)),
        ("double", 1, 1.0),
        ("boolean", True, True),
        ("bytes", "+/8=", b"\xfb\xff"),
        ("bytes", "-_8=", b"\xfb\xff"),
        (["null", "string"], None, None),
        (TIME, "2026-03-05T12:00:00Z", NOON),
        (TIME, "2026-03-05T13:00:00+01:00", NOON),
        (TIME, 1772712000000, NOON),
        (DAY, "2026-03-05", date(2026, 3, 5)),
        (DECIMAL, "1234.50", Decimal("1234.50")),
        (DECIMAL, 12, Decimal(12)),
        ({"type": "map", "values": "string"}, {"a": "b"}, {"a": "b"}),
        ({"type": "array", "items": DAY}, ["2026-03-05"], [date(2026, 3, 5)]),
    ],
)
def test_every_type_has_a_json_form(avro: object, given: object, read_as: object) -> None:
    assert read(only(avro), given) == read_as


@pytest.mark.parametrize(
    ("avro", "given", "said"),
    [
        ("string", 5, "f: Input should be a valid string"),
        ("int", 2**31, "f: Input should be less than or equal to 2147483647"),
        ("int", "5", "f: Input should be a valid integer"),
        ("int", 1.0, "f: Input should be a valid integer"),
        ("int", True, "f: Input should be a valid integer"),
        ("boolean", "yes", "f: Input should be a valid boolean"),
        ("double", "1", "f: Input should be a valid number"),
        ("bytes", "?", "f: Data should be valid base64"),
        ("string", None, "f: Input should be a valid string"),
        (TIME, "2026-03-05T12:00:00", "f: Input should have timezone info"),
        (TIME, "tomorrow", "f: Input should be a valid datetime"),
        (DAY, 20000, "f: write a date as YYYY-MM-DD"),
        (DAY, "20000", "f: write a date as YYYY-MM-DD"),
        (DECIMAL, 0.1, "f: write an exact amount as a string"),
        (DECIMAL, "1.234", "f: Decimal input should have no more than 2 decimal places"),
        (DECIMAL, "12345.00", "f: Decimal input"),
        (DECIMAL, "NaN", "f: Input should be a finite number"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "C", "f: Input should be 'A' or 'B'"),
        ({"type": "map", "values": "string"}, {"Jane Roe": 5}, "f: not a map of what the schema says"),
        ({"type": "array", "items": "string"}, ["a", 5], "f.1: Input should be a valid string"),
    ],
)
def test_a_value_of_another_type_is_told_by_field_and_rule(avro: object, given: object, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(only(avro), given)
    assert caught.value.message.startswith(said)
    assert "Jane" not in caught.value.message


@given(st.text(min_size=5, alphabet=st.characters(categories=["L", "N"])))
def test_what_is_said_never_quotes_the_record(secret: str) -> None:
    schema = record(
        {"name": "a", "type": DAY},
        {"name": "b", "type": "int"},
        {"name": "c", "type": {"type": "map", "values": "int"}},
        {"name": "d", "type": "string", "maxLength": 4},
        {"name": "e", "type": DECIMAL},
    )
    body = {"a": f"x{secret}", "b": f"x{secret}", "c": {f"x{secret}": secret}, "d": f"x{secret}", "e": f"x{secret}"}
    with pytest.raises(ContractError) as caught:
        read_json(record_model(schema), json.dumps(body).encode())
    assert f"x{secret}" not in caught.value.message


def test_defaults_fill_in_and_unknown_fields_are_left_out() -> None:
    schema = record({"name": "f", "type": "string"}, {"name": "g", "type": ["null", DAY], "default": None})
    assert read_json(record_model(schema), b'{"f": "x", "h": 1}') == {"f": "x", "g": None}


@pytest.mark.parametrize(("data", "said"), [(b"{", "the whole: is not JSON"), (b"[]", "the whole: "), (b"{}", "f: ")])
def test_what_is_no_record_is_told(data: bytes, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        read_json(record_model(only("string")), data)


def test_a_type_named_twice_is_the_same_type() -> None:
    money = {"type": "record", "name": "Money", "fields": [{"name": "value", "type": DECIMAL}]}
    schema = record({"name": "net", "type": money}, {"name": "gross", "type": ["null", "Money"]})
    found = read_json(record_model(schema), b'{"net": {"value": "1.00"}, "gross": {"value": "1.19"}}')
    assert found["gross"] == {"value": Decimal("1.19")}
    assert type_at(schema, "gross.value") == DECIMAL


@pytest.mark.parametrize(
    ("avro", "said"),
    [
        ({"type": "record", "name": "Tree", "fields": [{"name": "down", "type": ["null", "Tree"]}]}, "recursive"),
        ("Nowhere", "type Nowhere is not defined"),
        (["int", "string"], "more than one type"),
        ({"type": "fixed", "name": "F", "size": 4}, "fixed has no JSON form"),
    ],
)
def test_types_without_a_model_are_refused_at_the_start(avro: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        record_model(only(avro))


@pytest.mark.parametrize("name", ["copy", "json", "_hidden", "model_dump"])
def test_names_that_python_needs_are_refused_at_the_start(name: str) -> None:
    with pytest.raises(UsageError, match=f"field {name} of R: this name is taken"):
        record_model(record({"name": name, "type": "string"}))


BOUNDED = record(
    {"name": "id", "type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-z]+$"},
    {"name": "share", "type": "double", "minimum": 0, "maximum": 1, "default": 0.5},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "maxItems": 2, "maxLength": 4, "default": []},
    {
        "name": "lines",
        "default": [],
        "type": {
            "type": "array",
            "items": {
                "type": "record",
                "name": "Line",
                "fields": [{"name": "unit", "type": ["null", "string"], "maxLength": 2, "default": None}],
            },
        },
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"id": ""}, "id"),
        ({"id": "  "}, "id"),
        ({"id": "long"}, "id"),
        ({"id": "A"}, "id"),
        ({"id": "a", "share": 1.5}, "share"),
        ({"id": "a", "share": -0.1}, "share"),
        ({"id": "a", "tags": ["a", "b", "c"]}, "tags"),
        ({"id": "a", "tags": ["a", "longer"]}, "tags"),
        ({"id": "a", "lines": [{"unit": "kg"}, {"unit": "kilo"}]}, "lines"),
    ],
)
def test_bounds_hold_for_json_and_avro_alike(body: dict[str, object], where: str) -> None:
    with pytest.raises(ContractError, match=rf"^{where}"):
        read_json(record_model(BOUNDED), json.dumps(body).encode())
    with pytest.raises(ContractError, match=rf"^{where}"):
        Bounds(BOUNDED).check(body)
    record_model(BOUNDED, bounded=False).model_validate(body)


def test_blanks_are_no_text() -> None:
    schema = only("string", minLength=1)
    with pytest.raises(ContractError, match="f: must not be empty"):
        read(schema, " \n")
    with pytest.raises(ContractError, match="f: must not be empty"):
        Bounds(schema).check({"f": " \n"})


@given(
    st.fixed_dictionaries(
        {
            "id": st.text(max_size=5),
            "share": st.floats(-1, 2),
            "tags": st.lists(st.text(max_size=6), max_size=3),
            "lines": st.lists(st.fixed_dictionaries({"unit": st.none() | st.text(max_size=3)}), max_size=2),
        }
    )
)
def test_json_and_avro_agree_on_every_record(body: dict[str, object]) -> None:
    def fits_json() -> bool:
        try:
            record_model_of_bounded.model_validate(body)
        except ValueError:
            return False
        return True

    def fits_avro() -> bool:
        try:
            Bounds(BOUNDED).check(body)
        except ContractError:
            return False
        return True

    assert fits_json() == fits_avro()


record_model_of_bounded = record_model(BOUNDED)


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("id", "string"),
        ("tags[]", "string"),
        ("lines[].unit", "string"),
        ("lines.unit", None),
        ("lines[]", "record"),
        ("id.x", None),
        ("nothing", None),
        ("tags.*", None),
    ],
)
def test_a_path_reaches_a_type_or_nothing(path: str, reached: str | None) -> None:
    found = type_at(BOUNDED, path)
    assert (found["type"] if isinstance(found, Mapping) else found) == reached
