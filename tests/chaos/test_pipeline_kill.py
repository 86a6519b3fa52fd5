"""The whole pipeline under SIGKILL: tickets through redaction, model and validation, each once and in key order."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from fastavro import schemaless_reader
from pipeline import catalogue
from pipeline.catalogue import Catalogue
from pipeline.devstack import state
from pipeline.devstack.stack import Plan, Stack
from pipeline.serde import AvroCodec, Registry
from pipeline.serde.registry import parsed
from pipeline.settings import CatalogueSettings, Settings
from pipeline.stream.admin import Admin
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output
from tests.integration.job import Job, end

RECORDS = 20_000
KEYS = 2_000
KILLS = 4
AWAY = 1
"""The kill at which the registry is killed as well: the other worker goes on with the schemas it knows."""
SEED = 20261
TOPIC, OUTPUT, DEAD = "support.tickets.v1", "support.tickets.enriched.v1", "support.tickets.v1.dead-letters"


@pytest.mark.timeout(600)
def test_two_workers_killed_twice_each_lose_double_and_reorder_nothing(
    new_stack: Callable[[Plan], Stack], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    stack = new_stack(Plan())
    settings = Settings.model_validate(stack.settings())
    known = catalogue.load(CatalogueSettings())
    job = Job(dict(os.environ) | state.variables(stack.settings()))
    job.provision()
    _latency(settings)
    draw = random.Random(SEED)
    expected = _publish(settings, known, draw)
    began = time.monotonic()
    _run_and_kill(job, stack, settings, draw, tmp_path)
    record_property("seconds", round(time.monotonic() - began, 1))
    seen, order = _outputs(settings, known)
    problems = {
        "lost": sorted(set(expected) - set(seen))[:5],
        "doubled": [number for number, times in seen.items() if times > 1][:5],
        "out of order": [key for key, numbers in order.items() if numbers != sorted(numbers)][:5],
    }
    assert not any(problems.values()), f"seed {SEED}: {problems}"
    assert len(seen) == RECORDS


def _latency(settings: Settings) -> None:
    change = {wire: {"latency": {"p50_s": 0.02, "p99_s": 0.1}} for wire in ("openai", "anthropic")}
    address = settings.providers["openai"].base_url.removesuffix("/openai/v1") + "/control"
    request = urllib.request.Request(address, json.dumps(change).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def _publish(settings: Settings, known: Catalogue, draw: random.Random) -> list[str]:
    """20,000 tickets of 2,000 keys, the k-th key as frequent as 1/k; a ticket's number is its place in its key."""
    schema = known.schema_of(TOPIC)
    registry = Registry(settings.registry)
    codec = AvroCodec(registry, schema.schema, registry.id_of(schema.subject, schema.schema))
    keys = draw.choices(range(KEYS), [1 / (rank + 1) for rank in range(KEYS)], k=RECORDS)
    publisher = Publisher(settings.kafka.client())
    numbers: Counter[int] = Counter()
    sent = []
    for key in keys:
        ticket_id = f"{key}:{numbers[key]:06d}"
        numbers[key] += 1
        sent.append(ticket_id)
        ticket = {"ticket_id": ticket_id, "tenant_id": "acme", "body": f"My parcel {ticket_id} is late, where is it?"}
        publisher.send(Output(TOPIC, str(key).encode(), codec.encode(ticket)))
    publisher.flush()
    return sent


def _run_and_kill(job: Job, stack: Stack, settings: Settings, draw: random.Random, folder: Path) -> None:
    """Two workers; while there is work, one of them in turn is killed and started again, once while
    the registry is away, too; then they end in order."""
    workers = [job.worker("tickets", log=folder / f"worker-{slot}.log") for slot in range(2)]
    admin = Admin(settings.kafka.client())
    try:
        for kill in range(KILLS):
            left = RECORDS * (1 - (kill + 0.5 + 0.4 * draw.random()) / (KILLS + 1))
            _wait(admin, workers, left)
            slot = kill % 2
            workers[slot].send_signal(signal.SIGKILL)
            workers[slot].wait()
            if kill == AWAY:
                stack.registry.kill()
                _wait(admin, [workers[1 - slot]], left - RECORDS * 0.02)
                stack.registry.start()
            workers[slot] = job.worker("tickets", log=folder / f"worker-{slot}.log")
        _wait(admin, workers, 0)
    finally:
        codes = [end(worker) for worker in workers]
    assert codes == [0, 0]


def _wait(admin: Admin, workers: list[subprocess.Popen[bytes]], left: float) -> None:
    """Until the group is behind by no more than `left`."""
    limit = time.monotonic() + 400
    while True:
        lag = sum(part.records for part in admin.lag("enrichment-tickets", [TOPIC]))
        if lag <= left:
            return
        assert time.monotonic() < limit, f"seed {SEED}: stuck with {lag} records to go"
        assert all(worker.poll() is None for worker in workers), "a worker ended by itself"
        time.sleep(0.2)


def _outputs(settings: Settings, known: Catalogue) -> tuple[Counter[str], Mapping[str, list[str]]]:
    """How often each ticket came out, as output or dead letter, and the tickets of each key in the order they stand."""
    seen: Counter[str] = Counter()
    order: defaultdict[str, list[str]] = defaultdict(list)
    for topic, field in ((OUTPUT, "ticket_id"), (DEAD, "entity_id")):
        schema = dict(parsed(known.schema_of(topic).schema))
        for record in read(settings.kafka.client(), [topic]):
            assert record.value is not None and record.key is not None
            value = cast(dict[str, object], schemaless_reader(io.BytesIO(record.value[5:]), schema, None))
            ticket_id = str(value[field])
            seen[ticket_id] += 1
            if topic == OUTPUT:
                order[record.key.decode()].append(ticket_id)
    return seen, order
