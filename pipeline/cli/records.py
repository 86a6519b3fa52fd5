"""Consumed records, decoded, as a person or a program reads them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from rich.text import Text

from pipeline.catalogue import Catalogue
from pipeline.jsontext import to_json
from pipeline.stream.record import Record

_LONGEST = 400
"""Characters of one value that a person is shown; programs get all."""
_LAST = ("source", "provenance")
"""Where an output comes from: on one line, after what it says."""


@dataclass(frozen=True)
class Shown:
    """A record and its value; `error` says why it could not be decoded."""

    record: Record
    value: Mapping[str, object] | None
    error: str = ""

    def as_row(self) -> dict[str, object]:
        """For programs. What could not be decoded stands in `value_base64`, beside the reason."""
        record = self.record
        row: dict[str, object] = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": _time(record),
            "key": _readable(record.key),
            "headers": [{"name": name, "value": _readable(value)} for name, value in record.headers],
            "value": self.value,
        }
        if self.error:
            row["error"] = self.error
            row["value_base64"] = None if record.value is None else base64.b64encode(record.value).decode()
        return row

    def as_text(self, answer: str) -> Text:
        """For people: coordinates, then the field `answer`, then the rest, empty values left out."""
        record = self.record
        text = Text()
        text.append(_plain(_readable(record.key)) or "(no key)", style="bold cyan")
        at = _time(record).strftime("%Y-%m-%d %H:%M:%S")
        text.append(f"  {record.topic} {record.partition}/{record.offset}  {at} UTC\n", style="dim")
        if self.value is None:
            size = "null" if record.value is None else f"{len(record.value):,} bytes"
            text.append(f"  {self.error or 'no value'} ({size})\n", style="red" if self.error else "dim")
            return text
        value = orjson.loads(to_json(self.value))
        said = value.get(answer)
        if isinstance(said, Mapping):
            value = {**said, **{name: item for name, item in value.items() if name != answer}}
        for name, found in _lines(value):
            text.append(f"  {name}: ", style="bold")
            text.append(f"{found}\n")
        for name in _LAST:
            if isinstance(value.get(name), Mapping):
                text.append(f"  {name}: {_joined(value[name])}\n", style="dim")
        return text


def answer_field(catalogue: Catalogue, topic: str) -> str:
    """The field of a topic's records that holds the answer, when it is an enrichment's output."""
    return next((found.spec.answer for found in catalogue.enrichments.values() if found.output.topic == topic), "")


def _lines(value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Name and text of each field that holds something; lists of records a line for each."""
    for name, item in value.items():
        if name in _LAST or item in (None, "", [], {}):
            continue
        if isinstance(item, list) and all(isinstance(part, Mapping) for part in item):
            for number, part in enumerate(item, 1):
                yield f"{name} {number}", _joined(part)
        else:
            yield name, _plain(item)


def _joined(value: Mapping[str, object]) -> str:
    parts = ((name, _plain(item)) for name, item in value.items() if item not in (None, "", [], {}))
    return ", ".join(f"{name} {text}" for name, text in parts)


def _plain(value: object) -> str:
    """One line of text: control characters of a foreign record do nothing to the terminal."""
    if isinstance(value, Mapping):
        return _joined(value)
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text):,} characters)"


def _readable(data: bytes | None) -> str | dict[str, str] | None:
    """Text as it is, other bytes as base64."""
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _time(record: Record) -> datetime:
    return datetime.fromtimestamp(max(0, record.timestamp_ms) / 1000, UTC)
