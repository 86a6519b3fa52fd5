"""The index of dead letters: how fast it is filled from Kafka, and how soon a million rows are listed and grouped.

    python benchmarks/dead_letters.py [--rows 1000000] [--records 100000]

Prints one JSON object. The rows are synthetic and put into the index directly; the records are dead letters with a
sealed original of 1 KB and two calls each, read from a Kafka of its own. Times of questions are the slowest of five.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

from pipeline import catalogue
from pipeline.deadletters.envelope import Death, envelope
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Follower, Index
from pipeline.deadletters.index.entry import Row
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.index.tables import milliseconds
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.errors import AnswerError
from pipeline.llm import Attempt, Outcome
from pipeline.provisioning import create_topics, plan_topics, register_schemas
from pipeline.serde import TopicCodecs
from pipeline.settings import CatalogueSettings, Settings
from pipeline.stream.admin import Admin
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output, Record
from pipeline.vault import Keyring

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
DEAD = "support.tickets.v1.dead-letters"
KEYRING = Keyring({"k1": bytes(32)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, object] = {}
        if asked.rows:
            found["questions"] = questions(Path(folder) / "rows.sqlite", asked.rows)
        if asked.records:
            found["catch_up"] = catch_up(Path(folder), asked.records)
    print(json.dumps(found, indent=2))


def questions(path: Path, rows: int) -> Mapping[str, object]:
    """Seconds of each question to an index of so many rows."""
    index, draw = Index(path), random.Random(1)
    filled = 0.0
    for start in range(0, rows, 20_000):
        batch = Batch(begins={(DEAD, 0): start or None}, ends={(DEAD, 0): start + 20_000})
        batch.letters = [row(number, draw) for number in range(start, min(start + 20_000, rows))]
        filled += _timed(partial(index.take, batch))
    filled += _timed(index.complete)
    open_ones = Filter(statuses=[Status.OPEN])
    asked: dict[str, Callable[[], object]] = {
        "list of the open ones": lambda: (index.select(open_ones, 50), index.causes(open_ones)),
        "list of one cause and tenant": lambda: index.select(
            Filter(causes=["leak"], tenants=["tenant-7"], statuses=[Status.OPEN]), 50
        ),
        "list of six hours": lambda: index.select(Filter(since=NOW - timedelta(hours=6)), 50),
        "groups of the open ones": lambda: index.groups(open_ones, NOW),
        "groups of one tenant": lambda: index.groups(Filter(tenants=["tenant-7"]), NOW),
        "stats": lambda: index.stats(Filter()),
    }
    return {
        "rows": rows,
        "rows_a_second": round(rows / filled),
        "bytes_a_row": round(path.stat().st_size / rows),
        "seconds": {name: round(max(_timed(ask) for _ in range(5)), 3) for name, ask in asked.items()},
    }


def row(number: int, draw: random.Random) -> Row:
    """A dead letter of one of 300 groups; a few groups hold most of them."""
    group = min(int(draw.paretovariate(0.6)), 300)
    died = milliseconds(NOW - timedelta(seconds=draw.random() * 7 * 86_400))
    return Row(
        topic=DEAD,
        partition=0,
        place=number,
        event_id=f"{draw.getrandbits(128):032x}",
        tenant_id=f"tenant-{draw.randrange(50)}",
        entity=f"T-{number}",
        enrichment="tickets",
        stage=("decode", "validate", "call")[group % 3],
        cause=("undecodable", "answer_invalid", "refused", "leak", "prompt_too_long", "unexpected")[group % 6],
        message="no valid answer after 3 corrections",
        fingerprint=f"{group * 2654435761 % 2**64:016x}",
        attempts=group % 5,
        cost=12_000_000,
        received_at=died,
        first_failed_at=died,
        failed_at=died,
        source_topic="support.tickets.v1",
        source_partition=0,
        source_place=number,
        size=1000,
        kept=True,
        replays=0,
        last_replay="",
        imported_as="",
        tries=0,
        next_try_at=0,
        status=0,
    )


def catch_up(folder: Path, records: int) -> Mapping[str, object]:
    """Records a second from Kafka into an index, decoding included."""
    with Stack.up(folder / "stack", Plan(frozenset({Service.KAFKA, Service.REGISTRY})), tethered=True) as stack:
        settings = Settings.model_validate(stack.settings())
        known = catalogue.load(CatalogueSettings())
        codecs = TopicCodecs(known, settings.registry)
        admin = Admin(settings.kafka.client())
        create_topics(plan_topics(known, admin), admin)
        register_schemas(known, codecs.registry)
        dead = DeadLetterTopics(codecs, settings.kafka.client())
        _publish(dead, known.enrichment("tickets"), records)
        index = Index(folder / "caught-up.sqlite")
        follower = Follower(dead, index)
        began, cpu = time.perf_counter(), time.process_time()
        taken = follower.catch_up()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        assert taken == records, taken
        again = max(_timed(follower.catch_up) for _ in range(3))
        return {
            "records": records,
            "records_a_second": round(records / took),
            "cpu_us_a_record": round(used / records * 1e6, 1),
            "seconds_with_nothing_new": round(again, 3),
        }


def _publish(dead: DeadLetterTopics, tickets: catalogue.Enrichment, records: int) -> None:
    codec = dead.codec(DEAD)
    calls = [Attempt("openai", "gpt-6-luna", "standard", Outcome.INVALID, 200, 0.8, 1200, 150, Decimal("0.0012"))] * 2
    with Publisher(dead.client) as publisher:
        for number in range(records):
            key = b"T-%d" % number
            record = Record("support.tickets.v1", 0, number, 1_772_712_000_000, key, b"x" * 1024, (("source", b"web"),))
            death = Death(record, f"E-{number}", AnswerError("no valid answer"), "acme", f"T-{number}", attempts=calls)
            publisher.send(Output(DEAD, key, codec.encode(envelope(death, tickets, KEYRING, NOW))))


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
