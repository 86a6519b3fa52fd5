"""Dead letters as lines of JSON: written out as their topics have them, sealed as they are, and put back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Entry, Index
from pipeline.deadletters.ledgers import IMPORTED_AS
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.errors import UsageError
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import pick
from pipeline.stream.record import Output

_FORM = "dead-letter/1"


def exported(topics: DeadLetterTopics, entries: Sequence[Entry]) -> Iterator[dict[str, object]]:
    """One object for each dead letter that its topic still holds: the bytes as they are, in base64."""
    by_place = {(entry.at.topic, entry.at.partition, entry.at.offset): entry for entry in entries}
    places: dict[tuple[str, int], list[int]] = {}
    for topic, partition, offset in by_place:
        places.setdefault((topic, partition), []).append(offset)
    for record in pick(topics.client, places):
        entry = by_place[record.topic, record.partition, record.offset]
        yield {
            "form": _FORM,
            "id": entry.id,
            "topic": record.topic,
            "status": entry.status,
            "event_id": entry.event_id,
            "timestamp_ms": record.timestamp_ms,
            "key": _text(record.key),
            "headers": [[name, _text(value)] for name, value in record.headers if name != IMPORTED_AS],
            "value": _text(record.value),
        }


@dataclass(frozen=True, slots=True)
class Importable:
    """One line of an export, understood."""

    id: str
    topic: str
    status: Status
    event_id: str
    timestamp_ms: int
    output: Output


def understood(lines: Iterable[bytes], topics: DeadLetterTopics) -> list[Importable]:
    """The lines of an export. Raises UsageError that names the first line that is none."""
    known = frozenset(topics.topics())
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            one = _importable(json.loads(line))
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise UsageError(f"line {number} is no exported dead letter") from None
        if one.topic not in known:
            raise UsageError(f"line {number}: {one.topic} is no topic of dead letters here")
        if topics.decoded(one.topic, one.output.value) is None:
            raise UsageError(f"line {number}: its value is not of the schema that {one.topic} has")
        found.append(one)
    return found


def put_back(topics: DeadLetterTopics, index: Index, wanted: Sequence[Importable]) -> list[Importable]:
    """Writes those that the index does not know; which. Raises UnavailableError when Kafka does not take them."""
    there = {(entry.id, entry.event_id) for entry in index.select(Filter(ids=[one.id for one in wanted]))}
    new = list({one.id: one for one in wanted if (one.id, one.event_id) not in there}.values())
    with Publisher(topics.client) as publisher:
        for one in new:
            publisher.send(one.output, timestamp_ms=one.timestamp_ms)
    return new


def _importable(line: Mapping[str, object]) -> Importable:
    if line["form"] != _FORM:
        raise ValueError
    headers = [(str(name), _bytes(value)) for name, value in cast(Sequence[tuple[str, object]], line["headers"])]
    letter_id, topic = str(line["id"]), str(line["topic"])
    return Importable(
        letter_id,
        topic,
        Status(str(line["status"])),
        str(line["event_id"]),
        int(cast(int, line["timestamp_ms"])),
        Output(topic, _bytes(line["key"]), _bytes(line["value"]), (*headers, (IMPORTED_AS, letter_id.encode()))),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _bytes(text: object) -> bytes | None:
    return None if text is None else base64.b64decode(str(text), validate=True)
