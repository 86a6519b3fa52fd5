"""What the demo publishes: tickets and claims of a few companies, some customers writing often, 1 % of it malformed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.deadletters.history import EVENT_ID
from pipeline.demo.samples import Story, claim, samples, story, ticket
from pipeline.stream.record import Headers, Output

RUN = "demo-run"
"""Header: the run of the demo that published a record. It travels on to all that is written for the record."""
_TOO_LARGE_BYTES = 2_000_000
_UNKNOWN_SCHEMA = b"\0\x7f\xff\xff\xfe"
_PER_ENTITY = 2.5
"""Records of one ticket or claim, on average."""
_FLATTENED = 4
"""Takes the tip off Zipf's law: one record of a key at a time, a key with a tenth of all would set the run's length."""


class Malformed(StrEnum):
    """How a record can be wrong before anybody reads it."""

    TOO_LARGE = "2 MB"
    EMPTY = "empty bytes"
    UNKNOWN_SCHEMA = "unknown schema id"
    WRONG_TYPE = "JSON with a wrong type"
    NULL = "null value"
    FOREIGN_KEY = "key of another type"


@dataclass(frozen=True, slots=True)
class Stream:
    """Where one kind of record goes. `encode` writes a record as its topic wants it."""

    name: str
    topic: str
    encode: Callable[[Mapping[str, object]], bytes]


_MAKERS = {"tickets": ticket, "claims": claim}
_TENANTS = {
    "tickets": ("northwind-bank", "lumen-retail", "kite-telecom"),
    "claims": ("harbor-mutual", "alpina-versicherung"),
}


def traffic(stream: Stream, count: int, run: str, seed: str, now: datetime) -> Iterator[Output]:
    """`count` records of one kind, the malformed ones among them, in the order in which they are published.

    The same arguments make the same texts. How often a ticket comes again follows Zipf's law.
    """
    draw = random.Random(f"{seed}/{stream.name}")
    entities = [
        (f"{stream.name[0].upper()}-{run}-{number:04}", draw.choice(_TENANTS[stream.name]), tale)
        for number, tale in enumerate(
            itertools.islice(_stories(stream.name, draw, now), max(1, int(count / _PER_ENTITY)))
        )
    ]
    weights = [1 / (rank + _FLATTENED) for rank in range(1, len(entities) + 1)]
    turns = [0] * len(entities)
    kinds = dict(zip(_places(count), itertools.cycle(Malformed)))
    for number in range(count):
        chosen = number if number < len(entities) and number % 2 else draw.choices(range(len(entities)), weights)[0]
        entity, tenant, tale = entities[chosen]
        value: bytes | None = stream.encode(_MAKERS[stream.name](tale, entity, tenant, turns[chosen], now))
        turns[chosen] += 1
        key = entity.encode()
        if (kind := kinds.get(number)) is not None:
            key, value = _spoiled(kind, key, value, draw)
        yield Output(stream.topic, key, value, _headers(f"{run}-{stream.name}-{number:06}", run, draw))


def _stories(name: str, draw: random.Random, now: datetime) -> Iterator[Story]:
    """Every sample comes before one comes again."""
    while True:
        found: Sequence[Mapping[str, object]] = draw.sample(samples(name), len(samples(name)))
        for sample in found:
            yield story(sample, draw, now)


def _places(count: int) -> list[int]:
    """Where the malformed 1 % stand: evenly spread, at least one."""
    number = max(1, count // 100)
    return [(2 * place + 1) * count // (2 * number) for place in range(number)] if count else []


def _spoiled(kind: Malformed, key: bytes, value: bytes | None, draw: random.Random) -> tuple[bytes, bytes | None]:
    match kind:
        case Malformed.TOO_LARGE:
            return key, b"\0" + draw.randbytes(_TOO_LARGE_BYTES)
        case Malformed.EMPTY:
            return key, b""
        case Malformed.UNKNOWN_SCHEMA:
            return key, _UNKNOWN_SCHEMA + (value or b"")[5:]
        case Malformed.WRONG_TYPE:
            return key, b'{"ticket_id": 17, "tenant_id": ["northwind-bank"], "body": null}'
        case Malformed.NULL:
            return key, None
        case Malformed.FOREIGN_KEY:
            return draw.randbytes(7) + b"\xff", value


def _headers(event_id: str, run: str, draw: random.Random) -> Headers:
    trace = f"00-{draw.randbytes(16).hex()}-{draw.randbytes(8).hex()}-01"
    return ((EVENT_ID, event_id.encode()), (RUN, run.encode()), ("traceparent", trace.encode()))
