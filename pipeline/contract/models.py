"""Pydantic models made from Avro records, and what is said when something does not fit one."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from pipeline.contract.bounds import BOUNDS, too_short
from pipeline.contract.structure import Schema, expanded, fields, without_null
from pipeline.errors import ContractError, UsageError

_INT: Final = {"int": 2**31, "long": 2**63}


def record_model(schema: Schema, *, bounded: bool = True) -> type[BaseModel]:
    """The model of a whole record: what JSON of a topic is checked against. Unknown fields are ignored, as Avro does.

    Times are ISO 8601 with their zone, or milliseconds since 1970; exact amounts are strings; bytes are base64.
    Not `bounded`: only types are checked, as for outputs, where restored text may be longer than what a model may say.
    Raises UsageError for Avro types that have no JSON form here.
    """
    config = ConfigDict(extra="ignore", val_json_bytes="base64", ser_json_bytes="base64", allow_inf_nan=False)
    return _Maker(config, labels=(), bounded=bounded).model(expanded(schema))


def answer_model(schema: Schema, labels: Sequence[str]) -> type[BaseModel]:
    """The model of what a language model must say: the fields that are `answer: model`, bounds and labels checked."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    return _Maker(config, labels, answered=True).model(expanded(schema))


def read_json(model: type[BaseModel], data: bytes) -> dict[str, object]:
    """A record from its JSON bytes, defaults filled in.

    Raises ContractError that names the field and the rule; the value is not in the message.
    """
    try:
        return model.model_validate_json(data).model_dump()
    except ValidationError as error:
        lines = problems(error)
        broken = ContractError("; ".join(lines))
        told = [line.partition(": ") for line in reversed(lines)]
        broken.fields = {where: what for where, _, what in told}
        raise broken from None


def problems(error: ValidationError, most: int = 8) -> list[str]:
    """What is wrong with an answer or a record, a line each, without quoting it."""
    found = []
    for item in error.errors(include_input=False, include_url=False, include_context=False)[:most]:
        where = ".".join(str(part) for part in item["loc"]) or "the whole"
        what = "is not JSON" if item["type"] == "json_invalid" else item["msg"]
        found.append(f"{where}: {what}")
    return found


@dataclass(frozen=True)
class _Maker:
    """What is the same for all types of one model."""

    config: ConfigDict
    labels: Sequence[str]
    answered: bool = False
    """Only the fields that a language model says, and its types read leniently; a publisher's are read strictly."""
    bounded: bool = True

    def model(self, schema: Schema) -> type[BaseModel]:
        made: dict[str, tuple[object, object]] = {}
        for field in fields(schema):
            if self.answered and field.get("answer") != "model":
                continue
            name = str(field["name"])
            if name.startswith("_") or hasattr(BaseModel, name):
                raise UsageError(f"field {name} of {schema['name']}: this name is taken in Python, choose another")
            default = Field(default=field["default"], validate_default=True) if "default" in field else Field()
            made[name] = (self.annotation(field["type"], field if self.bounded else _unbounded(field)), default)
        create = cast("_CreateModel", create_model)
        return create(str(schema["name"]), __config__=self.config, __doc__=str(schema.get("doc", "")), **made)

    def annotation(self, avro: object, field: Schema) -> object:
        """The annotation of one Avro type. `field` is where it stands: its bounds."""
        try:
            branch = without_null(avro)
        except UsageError as error:
            raise UsageError(f"field {field['name']}: {error}") from None
        if isinstance(avro, list):
            return self.annotation(branch, field) | None if "null" in avro else self.annotation(branch, field)  # type: ignore[operator]  # made at run time
        if isinstance(avro, Mapping):
            return self._complex(avro, field)
        return self._primitive(str(avro), field)

    def _complex(self, avro: Schema, field: Schema) -> object:
        match avro["type"]:
            case "record":
                return self.model(avro)
            case "enum":
                return Literal[tuple(cast(list[str], avro["symbols"]))]
            case "array":
                item = self.annotation(avro["items"], field)
                most = cast(int | None, field.get("maxItems"))
                return Annotated[list[item], Field(max_length=most)]  # type: ignore[valid-type]  # made at run time
            case "map":
                value = self.annotation(avro["values"], field)
                return Annotated[dict[str, value], WrapValidator(_unnamed)]  # type: ignore[valid-type]  # made at run time
        match avro.get("logicalType"):
            case "date":
                return Annotated[datetime.date, BeforeValidator(_no_number)]
            case "timestamp-millis" | "timestamp-micros":
                return AwareDatetime
            case "decimal" if avro["type"] == "bytes":
                whole, places = cast(int, avro["precision"]), cast(int, avro.get("scale", 0))
                return Annotated[Decimal, BeforeValidator(_no_float), Field(max_digits=whole, decimal_places=places)]
        return self._primitive(str(avro["type"]), field)

    def _primitive(self, kind: str, field: Schema) -> object:
        strict = not self.answered
        least, greatest = cast(float | None, field.get("minimum")), cast(float | None, field.get("maximum"))
        match kind:
            case "string":
                return self._text(field)
            case "boolean":
                return Annotated[bool, Field(strict=strict)]
            case "int" | "long":
                low, high = -_INT[kind], _INT[kind] - 1
                low = low if least is None else max(low, int(least))
                high = high if greatest is None else min(high, int(greatest))
                return Annotated[int, Field(ge=low, le=high, strict=strict)]
            case "float" | "double":
                return Annotated[float, Field(ge=least, le=greatest, strict=strict)]
            case "bytes":
                return bytes
        raise UsageError(f"field {field['name']}: Avro type {kind} has no JSON form here")

    def _text(self, field: Schema) -> object:
        if field.get("labels") and self.labels:
            return Literal[tuple(self.labels)]
        longest, pattern = cast(int | None, field.get("maxLength")), cast(str | None, field.get("pattern"))
        kind = Annotated[str, Field(max_length=longest, pattern=pattern)]
        shortest = cast(int, field.get("minLength", 0))
        return Annotated[kind, AfterValidator(_at_least(shortest))] if shortest else kind


def _unbounded(field: Schema) -> Schema:
    return {name: value for name, value in field.items() if name not in BOUNDS}


class _CreateModel:
    """How `create_model` is called here; its own signature has no room for fields that are data."""

    def __call__(self, name: str, /, *, __config__: ConfigDict, __doc__: str, **made: object) -> type[BaseModel]:
        raise NotImplementedError


def _at_least(shortest: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text.strip()) < shortest:
            raise PydanticCustomError("too_short", too_short(shortest))
        return text

    return check


def _no_number(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("-").isdigit()):
        raise PydanticCustomError("date_number", "write a date as YYYY-MM-DD")
    return value


def _no_float(value: object) -> object:
    """A JSON number with a fraction has been through binary floating point: it is exact no longer."""
    if isinstance(value, float):
        raise PydanticCustomError("decimal_float", "write an exact amount as a string")
    return value


def _unnamed(value: object, check: Callable[[object], object]) -> object:
    """A map's keys are its publisher's words: a message must not name them."""
    try:
        return check(value)
    except ValidationError:
        raise PydanticCustomError("map_value", "not a map of what the schema says") from None
