"""Records to bytes and back: what goes in comes out, and what cannot is told without its values."""

import asyncio
import json
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.contract import Schema
from pipeline.errors import Cause, ContractError, DecodeError, EncodeError, RecordError, Stage
from pipeline.jsontext import to_json
from pipeline.serde import AvroCodec, AvroDecoder, JsonCodec, Registry, ValueCodec, decode_now
from pipeline.settings import RegistrySettings

SCHEMA: Schema = {
    "type": "record",
    "name": "Everything",
    "namespace": "test",
    "fields": [
        {"name": "text", "type": "string", "minLength": 1},
        {"name": "whole", "type": "int"},
        {"name": "long", "type": "long"},
        {"name": "real", "type": "double"},
        {"name": "yes", "type": "boolean"},
        {"name": "raw", "type": "bytes"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 10}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "maybe", "type": ["null", "string"], "default": None},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "notes", "type": {"type": "map", "values": "int"}, "default": {}},
        {
            "name": "inner",
            "type": [
                "null",
                {"type": "record", "name": "Inner", "fields": [{"name": "name", "type": "string", "default": ""}]},
            ],
            "default": None,
        },
    ],
}
RECORD: Mapping[str, object] = {
    "text": "x",
    "whole": 1,
    "long": 2,
    "real": 0.5,
    "yes": True,
    "raw": b"\x00\xff",
    "day": date(2026, 3, 5),
    "at": datetime(2026, 3, 5, 12, tzinfo=UTC),
    "cost": Decimal("0.0003950000"),
    "kind": "A",
}
DEFAULTS: Mapping[str, object] = {"maybe": None, "tags": [], "notes": {}, "inner": None}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
RECORDS = st.fixed_dictionaries(
    {
        "text": TEXT.filter(str.strip),
        "whole": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "yes": st.booleans(),
        "raw": st.binary(max_size=8),
        "day": st.dates(),
        "at": st.integers(0, 2**45).map(lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)),
        "cost": st.decimals(-(10**9), 10**9, places=10),
        "kind": st.sampled_from("AB"),
        "maybe": st.none() | TEXT,
        "tags": st.lists(TEXT, max_size=3),
        "notes": st.dictionaries(TEXT, st.integers(-5, 5), max_size=3),
        "inner": st.none() | st.fixed_dictionaries({"name": TEXT}),
    }
)  # fmt: skip

REGISTRY = Registry(RegistrySettings(url="mock://codec"))
AVRO = AvroCodec(REGISTRY, SCHEMA, REGISTRY.register("everything", SCHEMA))
PLAIN = AvroDecoder(REGISTRY, SCHEMA, bounded=False, plain=True)
JSON = JsonCodec(SCHEMA)
both = pytest.mark.parametrize("codec", [AVRO, JSON], ids=["avro", "json"])


def decoded(codec: ValueCodec, data: bytes) -> Mapping[str, object]:
    return asyncio.run(codec.decode(data)).record


@both
def test_missing_fields_get_their_defaults(codec: ValueCodec) -> None:
    assert decoded(codec, codec.encode(RECORD)) == {**RECORD, **DEFAULTS}


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_every_record_survives_avro_and_json(record: dict[str, object]) -> None:
    assert decoded(AVRO, AVRO.encode(record)) == record
    assert decoded(JSON, JSON.encode(record)) == record


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_a_plain_reading_has_the_numbers_and_bytes_that_avro_holds(record: dict[str, object]) -> None:
    plain = dict(decode_now(PLAIN, AVRO.encode(record)).record)
    day, at, cost = plain["day"], plain["at"], plain["cost"]
    assert isinstance(day, int)
    assert isinstance(at, int)
    assert isinstance(cost, bytes)
    again = {
        "day": date(1970, 1, 1) + timedelta(days=day),
        "at": datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at),
        "cost": int.from_bytes(cost, signed=True) * Decimal("1e-10"),
    }
    assert plain | again == record


def test_a_plain_reading_of_an_older_schema_has_the_defaults_of_today() -> None:
    fields = [field for field in SCHEMA["fields"] if "default" not in field]  # type: ignore[attr-defined]
    older = {**SCHEMA, "fields": fields}
    theirs = AvroCodec(REGISTRY, older, REGISTRY.register("plain", older))
    plain = asyncio.run(PLAIN.decode(theirs.encode(RECORD))).record
    assert plain["at"] == 1_772_712_000_000
    assert {name: plain[name] for name in DEFAULTS} == DEFAULTS


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_foreign_bytes_are_a_records_failure_and_nothing_else(data: bytes) -> None:
    for codec in (AVRO, JSON):
        try:
            decoded(codec, data)
        except RecordError as error:
            assert error.stage in (Stage.DECODE, Stage.CONTRACT)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.data())
def test_a_damaged_record_is_a_records_failure_and_nothing_else(record: dict[str, object], data: st.DataObject) -> None:
    good = AVRO.encode(record)
    at = data.draw(st.integers(5, len(good) - 1))
    for bad in (good[:at], good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :], good + b"\x00"):
        try:
            decoded(AVRO, bad)
        except RecordError as error:
            assert error.stage in (Stage.DECODE, Stage.CONTRACT)


@both
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("whole", 2**31),
        ("whole", 1.5),
        ("whole", "1"),
        ("whole", True),
        ("text", None),
        ("text", 5),
        ("yes", "no"),
        ("day", "soon"),
        ("at", datetime(2026, 3, 5, tzinfo=UTC).replace(tzinfo=None)),
        ("cost", Decimal("0.00000000001")),
        ("cost", Decimal("12345678901")),
        ("cost", Decimal("NaN")),
        ("kind", "C"),
        ("tags", "abc"),
        ("notes", {"Jane Roe": "x"}),
        ("inner", {"name": 5}),
    ],
)
def test_what_does_not_fit_is_refused_by_the_fields_name(codec: ValueCodec, field: str, value: object) -> None:
    with pytest.raises(EncodeError, match=rf"Everything cannot be written: {field}") as caught:
        codec.encode({**RECORD, field: value})
    assert "Jane" not in caught.value.message


@both
def test_a_lone_surrogate_is_refused(codec: ValueCodec) -> None:
    with pytest.raises(EncodeError):
        codec.encode({**RECORD, "text": "\ud800"})


def test_a_field_nobody_knows_is_refused_and_not_dropped() -> None:
    with pytest.raises(EncodeError):
        AVRO.encode({**RECORD, "surprise": 1})


@both
def test_bounds_are_for_those_who_write_in_not_for_outputs(codec: ValueCodec) -> None:
    """A restored text may be longer than what a model may say: an output is never lost to it."""
    data = codec.encode({**RECORD, "text": ""})
    with pytest.raises(ContractError, match="text: must not be empty"):
        decoded(codec, data)


class TestAvroOfOthers:
    def test_is_read_by_the_writers_schema(self) -> None:
        fields = [dict(field) for field in SCHEMA["fields"] if field["name"] != "maybe"]  # type: ignore[attr-defined]
        older = {**SCHEMA, "fields": [*fields, {"name": "gone", "type": "string"}]}
        theirs = AvroCodec(REGISTRY, older, REGISTRY.register("older", older))
        assert decoded(AVRO, theirs.encode({**RECORD, "gone": "x"})) == {**RECORD, **DEFAULTS}

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"{}", Cause.UNDECODABLE),
            (b"\x00\x00", Cause.UNDECODABLE),
            (struct.pack(">bI", 0, 999_999), Cause.SCHEMA_UNKNOWN),
            (struct.pack(">bI", 0, 1), Cause.UNDECODABLE),
        ],
    )
    def test_tells_why_it_cannot_be_read(self, data: bytes, cause: Cause) -> None:
        with pytest.raises(DecodeError) as caught:
            decoded(AVRO, data)
        assert caught.value.cause is cause

    def test_must_end_with_the_record(self) -> None:
        with pytest.raises(DecodeError, match="goes on after the record"):
            decoded(AVRO, AVRO.encode(RECORD) + b"\x00")


class TestJson:
    @pytest.mark.parametrize("data", [b"{", b"", b"\xff", b'{"text": NaN}', b'\xef\xbb\xbf{"text": 1}'])
    def test_that_is_none_is_undecodable(self, data: bytes) -> None:
        with pytest.raises(DecodeError, match="not JSON"):
            decoded(JSON, data)

    @pytest.mark.parametrize("data", [b"[]", b"5", b"{}", b'{"text": 5}'])
    def test_of_another_shape_breaks_the_contract(self, data: bytes) -> None:
        with pytest.raises(ContractError):
            decoded(JSON, data)

    def test_is_readable(self) -> None:
        found = json.loads(JSON.encode(RECORD))
        assert found["day"] == "2026-03-05"
        assert found["at"] == "2026-03-05T12:00:00Z"
        assert found["cost"] == "0.0003950000"
        assert found["raw"] == "AP8="

    def test_of_small_amounts_has_no_exponent(self) -> None:
        assert to_json(Decimal("1E-10")) == b'"0.0000000001"'
