"""The tickets that every engine gets: keys by Zipf's law, 5 % of them twice, 1 % malformed, each with its latency."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.simulator.latency import LogNormal
from pipeline.stream.kafka import Producer

TAIL = 5.0
"""p99 of the latency, in p50s."""
DUPLICATES = 0.05
MALFORMED = 0.01
EXPONENT = 0.5
"""Of Zipf's law. With 1, an eighth of all tickets would be of one key, and its order alone would set the pace."""
HOTTEST = 0.6
"""Of its time that the hottest key may be in flight: below 1, or nobody who keeps order could reach the ideal."""
SLOW_S = 30.0
_NUMBER = re.compile(rb'"number": ?(\d+)')


@dataclass(frozen=True, slots=True)
class Ticket:
    """One of them. `number` counts them in the order in which they were published."""

    number: int
    key: bytes
    value: bytes
    latency_s: float
    well_formed: bool


def mean_latency(p50_s: float) -> float:
    """Of the log-normal distribution with that median, in seconds."""
    sigma = math.log(TAIL) / 2.3263
    return p50_s * math.exp(sigma**2 / 2)


def tickets(count: int, p50_s: float, concurrency: int, *, slow_keys: int = 0, seed: int = 1) -> list[Ticket]:
    """`count` tickets. With `slow_keys`, one key in so many takes 30 s (one ticket of it; a second would wait)."""
    draw = random.Random(seed)
    latency = LogNormal(p50_s, TAIL * p50_s)
    ranks = max(100, round((concurrency / HOTTEST / 2) ** 2))
    keys = draw.choices(range(ranks), [rank**-EXPONENT for rank in range(1, ranks + 1)], k=count)
    made: list[Ticket] = []
    met: set[int] = set()
    bodies: list[str] = []
    for number, rank in enumerate(keys):
        if bodies and draw.random() < DUPLICATES:
            # Published twice, as a publisher does whose acknowledgement got lost.
            again = draw.randrange(max(0, number - 200), number)
            key, body = made[again].key, bodies[again]
        else:
            key, body = b"customer-%d" % rank, f"Parcel {draw.randrange(10**9)} has not come. " * 8
        bodies.append(body)
        takes = latency.at(min(1 - 1e-9, max(1e-9, draw.random())))
        slow = slow_keys and rank % slow_keys == slow_keys - 1 and rank not in met
        met.add(rank)
        takes = SLOW_S if slow else takes
        well_formed = draw.random() >= MALFORMED
        text = json.dumps({"number": number, "latency_ms": round(takes * 1000, 2), "body": body})
        value = text.encode() if well_formed else text.encode()[: len(text) // 2]
        made.append(Ticket(number, key, value, takes, well_formed))
    return made


def number_of(value: bytes | None) -> int | None:
    """The ticket's number, in a ticket, an answer or a malformed ticket; None where there is none."""
    found = _NUMBER.search(value or b"")
    return int(found.group(1)) if found else None


def publish(bootstrap: str, topic: str, made: Sequence[Ticket]) -> None:
    """Writes them in order."""
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "log_level": 3,
        "linger.ms": 20,
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    for ticket in made:
        producer.produce(topic, ticket.value, ticket.key)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all tickets within 60 s")
