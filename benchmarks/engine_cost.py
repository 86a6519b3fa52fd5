"""What the engine itself costs: CPU per record, time from answer to visible output, memory with 1,000 in flight.

    python benchmarks/engine_cost.py [--records 100000] [--rate 1000] [--seconds 15]

Starts a Kafka of its own unless `--bootstrap` names one, and prints one JSON object. CPU is that of the whole worker
process, client library's threads included, while it works; the answer takes no time (`cpu`) or 200 ms (`latency`,
`memory`). Latency is from the end of `process` to the arrival at a read-committed consumer in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import uvloop
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.kafka import Consumer, Producer
from pipeline.stream.observer import Silent
from pipeline.stream.record import Output, Record

PARTITIONS = 12
KILOBYTE = os.urandom(512).hex().encode()
"""1,024 bytes."""


class Answer:
    """Copies each record after `seconds`; the time of the answer travels in a header."""

    def __init__(self, target: str, seconds: float) -> None:
        self._target, self._seconds = target, seconds

    async def process(self, record: Record) -> Sequence[Output]:
        if not self._seconds:
            return (Output(self._target, record.key, record.value),)
        await asyncio.sleep(self._seconds)
        return (Output(self._target, record.key, record.value, (("answered", b"%d" % time.time_ns()),)),)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        raise error

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        raise RuntimeError(reason)


def publish(client: Mapping[str, str], topic: str, records: int, rate: float) -> None:
    """Writes records of 1 KB with 2,000 keys; at `rate` a second, 0: as fast as it can."""
    producer = Producer({**client, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    began = time.monotonic()
    for number in range(records):
        if rate:
            producer.poll(max(0.0, began + number / rate - time.monotonic()))
        producer.produce(topic, KILOBYTE, b"key-%d" % (number * 7919 % 2000))
    producer.flush()


def watch(client: Mapping[str, str], topic: str, records: int) -> None:
    """Reads committed records as they come and prints how long after their answer, in milliseconds, as JSON."""
    settings = {**client, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10}
    consumer = Consumer({**settings, "isolation.level": "read_committed"})
    consumer.subscribe([topic])
    waits: list[float] = []
    while len(waits) < records:
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            answered = int(dict(message.headers() or ())["answered"] or 0)
            waits.append((time.time_ns() - answered) / 1e6)
    consumer.close()
    # The first seconds are the group's, not the engine's.
    steady = sorted(waits[records // 5 :])
    cuts = statistics.quantiles(steady, n=1000)
    print(json.dumps({"p50": cuts[499], "p90": cuts[899], "p99": cuts[989], "max": steady[-1]}))


class Milestones(Silent):
    """The first commit, and the one with which all is done."""

    def __init__(self, records: int) -> None:
        self.first, self.last = asyncio.Event(), asyncio.Event()
        self.left, self.transactions, self.most = records, 0, 0
        self.engine: Engine | None = None
        self.commits_ms: list[float] = []

    def committed(self, records: int, outputs: int, took: timedelta) -> None:
        self.left -= records
        self.transactions += 1
        self.commits_ms.append(took.total_seconds() * 1000)
        if self.engine is not None:
            self.most = max(self.most, self.engine.status().in_flight)
        self.first.set()
        if self.left <= 0:
            self.last.set()


async def work(client: Mapping[str, str], source: str, target: str, records: int, seconds: float) -> dict[str, float]:
    """Runs an engine until so many records are committed; what that took."""
    milestones = Milestones(records)
    engine = milestones.engine = Engine(
        Answer(target, seconds),
        topics=[source],
        group=source,
        transactional_id=source,
        client=client,
        policy=EnginePolicy(),
        observer=milestones,
    )
    run = asyncio.create_task(engine.run())
    await milestones.first.wait()
    began, cpu, done = time.monotonic(), time.process_time(), milestones.left
    await milestones.last.wait()
    took, spent = time.monotonic() - began, time.process_time() - cpu
    resident = await asyncio.to_thread(resident_mb)
    engine.stop()
    await run
    commits = statistics.quantiles(milestones.commits_ms, n=100)
    return {
        "records_per_second": done / took,
        "cpu_us_per_record": spent / done * 1e6,
        "records_per_transaction": records / milestones.transactions,
        "transactions_per_second": milestones.transactions / took,
        "commit_ms_p50": commits[49],
        "commit_ms_p99": commits[98],
        "most_in_flight": milestones.most,
        "resident_mb": resident,
    }


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def topics(client: Mapping[str, str]) -> tuple[str, str]:
    """A fresh input and output topic."""
    names = tuple(f"cost-{uuid.uuid4().hex[:8]}-{side}" for side in ("in", "out"))
    Admin(client).create([Topic(name, PARTITIONS, 1, {}) for name in names])
    return names[0], names[1]


def start(role: str, *arguments: object) -> subprocess.Popen[str]:
    """This program again, as a process of its own."""
    program = [sys.executable, __file__, "--role", json.dumps([role, *arguments])]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, float]:
    """What it printed."""
    out, _ = process.communicate(timeout=300)
    found: dict[str, float] = json.loads(out)
    return found


def measure(client: dict[str, str], records: int, rate: float, seconds: float) -> dict[str, object]:
    """All figures."""
    source, target = topics(client)
    publish(client, source, records, 0)
    cpu = answer(start("work", client, source, target, records, 0.0))

    source, target = topics(client)
    count = round(rate * seconds)
    worker = start("work", client, source, target, count, 0.2)
    watcher = start("watch", client, target, count)
    publisher = start("publish", client, source, count, rate)
    latency = answer(watcher)
    publisher.communicate()
    steady = answer(worker)

    source, target = topics(client)
    publish(client, source, 8000, 0)
    memory = answer(start("work", client, source, target, 8000, 0.2))
    return {
        "cpu": cpu,
        "latency": {"rate": rate, "answer_to_visible_ms": latency, **steady},
        "memory": memory,
    }


def rounded(value: object) -> object:
    """Figures with three decimals."""
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--role", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.role:
        role, *arguments = json.loads(told.role)
        if role == "work":
            print(json.dumps(uvloop.run(work(*arguments))))
        else:
            {"watch": watch, "publish": publish}[role](*arguments)
        return
    with ExitStack() as running:
        client = {"bootstrap.servers": told.bootstrap}
        if not told.bootstrap:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            stack = running.enter_context(Stack.up(folder, Plan(frozenset({Service.KAFKA})), tethered=True))
            client = dict(stack.kafka.client())
        print(json.dumps(rounded(measure(client, told.records, told.rate, told.seconds)), indent=2))


if __name__ == "__main__":
    main()
