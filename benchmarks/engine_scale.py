"""How the engine grows: a backlog of a million; records a second by latency, partitions, workers; a key that is stuck.

    python -m benchmarks.engine_scale [backlog] [sizing] [stuck] [--records 1000000] [--stuck-s 600] [--out FILE]

Starts a Kafka of its own and prints one JSON object; workers are processes. `backlog`: 48 partitions full at the start;
seconds until full speed, memory over time. `sizing`: a table. `stuck`: one key's call takes `--stuck-s` seconds, the
others 200 ms; how many records passed it, what the commit's metadata took.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from benchmarks.engine_cost import resident_mb
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.kafka import Consumer, Producer, TopicPartition
from pipeline.stream.observer import Silent
from pipeline.stream.record import Output, Record

VALUE = b"x" * 256
STUCK = b"key-stuck"
SAMPLE_S = 0.25
WINDOW = 4
"""Samples."""
FULL_SPEED = 0.9
"""Of the usual rate."""

Sample = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """A topic's worth of records, and how long the answer of each takes in seconds."""

    records: int
    partitions: int
    latency_s: float
    keys: int = 20_000
    stuck_s: float = 0.0


class Answering:
    """Copies each record after its latency."""

    def __init__(self, target: str, load: Load) -> None:
        self._target, self._load = target, load

    async def process(self, record: Record) -> Sequence[Output]:
        seconds = self._load.stuck_s if record.key == STUCK else self._load.latency_s
        if seconds:
            await asyncio.sleep(seconds)
        return (Output(self._target, record.key, record.value),)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        raise error

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        raise RuntimeError(reason)


async def work(client: Mapping[str, str], source: str, target: str, slot: int, load: Load) -> None:
    """One worker until it is told to end by a signal; a line of JSON for every sample."""
    engine = Engine(
        Answering(target, load),
        topics=[source],
        group=source,
        transactional_id=f"{source}-{slot}",
        client=client,
        policy=EnginePolicy(),
        observer=Silent(),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    began = time.monotonic()
    run = asyncio.create_task(engine.run())
    while not run.done():
        await asyncio.wait([run], timeout=SAMPLE_S)
        status = engine.status()
        sample: Sample = {
            "at_s": time.monotonic() - began,
            "committed": status.records_committed,
            "in_flight": status.in_flight,
            "oldest_waiting_s": status.oldest_waiting_s,
            "lag": status.lag,
            "memory_mb": resident_mb(),
        }
        print(json.dumps(sample), flush=True)
    await run


class Workers:
    """Worker processes on one input, and the samples they print."""

    def __init__(self, client: Mapping[str, str], source: str, target: str, count: int, load: Load) -> None:
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.samples: list[list[Sample]] = [[] for _ in range(count)]
        self._processes = []
        for slot in range(count):
            job = json.dumps([dict(client), source, target, slot, vars_of(load)])
            program = [sys.executable, "-m", "benchmarks.engine_scale", "--worker", job]
            self._processes.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True))
            threading.Thread(target=self._read, args=(slot,), daemon=True).start()

    @property
    def committed(self) -> int:
        """Records, of all workers."""
        return sum(those[-1]["committed"] for those in self.samples if those)

    def until(self, records: int, within_s: float) -> None:
        """Waits until so many are committed. Raises TimeoutError."""
        end = time.monotonic() + within_s
        while self.committed < records:
            try:
                self._news.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{self.committed} of {records} records after {within_s:.0f} s") from None

    def stop(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(60)

    def _read(self, slot: int) -> None:
        lines = self._processes[slot].stdout
        assert lines is not None
        for line in lines:
            self.samples[slot].append(json.loads(line))
            self._news.put(None)


def vars_of(load: Load) -> dict[str, float]:
    """A load as keyword arguments."""
    return {name: getattr(load, name) for name in Load.__slots__}


@contextlib.contextmanager
def filled(client: Mapping[str, str], load: Load) -> Iterator[tuple[str, str]]:
    """An input topic that holds the load, and an output topic."""
    source, target = (f"scale-{uuid.uuid4().hex[:8]}-{side}" for side in ("in", "out"))
    Admin(client).create([Topic(name, load.partitions, 1, {}) for name in (source, target)])
    producer = Producer({**client, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    if load.stuck_s:
        producer.produce(source, VALUE, STUCK)
    for number in range(load.records):
        if number % 10_000 == 0:
            producer.poll(0)
        while True:
            try:
                producer.produce(source, VALUE, b"key-%d" % (number * 7919 % load.keys))
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    yield source, target


def backlog(client: Mapping[str, str], records: int) -> list[Sample]:
    """One, two and four workers at a full topic of 48 partitions; the answer takes no time."""
    found = []
    load = Load(records, 48, 0.0)
    for count in (1, 2, 4):
        with filled(client, load) as (source, target):
            workers = Workers(client, source, target, count, load)
            workers.until(records, 600)
            workers.stop()
        found.append({"workers": count, **_speed(workers.samples)})
        tell(f"backlog of {records}, {count} workers: {found[-1]}")
    return found


def _speed(samples: Sequence[Sequence[Sample]]) -> Sample:
    """Records a second at full speed, seconds from the start to it, and memory of the first worker in three moments."""
    first = [one for one in samples[0] if one["lag"] or one["committed"]]
    ends = [place for place, one in enumerate(samples[0]) if _first(samples[0]) < one["at_s"] <= _last(samples[0])]
    # Over a second each: what is answered at once comes out at once, and then nothing for as long as a call takes.
    rates = [
        (now["at_s"], (now["committed"] - before["committed"]) / (now["at_s"] - before["at_s"]))
        for before, now in ((samples[0][max(0, place - WINDOW)], samples[0][place]) for place in ends)
    ]
    usual = statistics.median(rate for _, rate in rates[len(rates) // 3 :])
    moments = [first[len(first) * part // 4]["memory_mb"] for part in (1, 2, 3)]
    return {
        "records_a_second_of_one": round(usual),
        "all_together": round(
            sum(those[-1]["committed"] for those in samples)
            / (max(_last(those) for those in samples) - min(_first(those) for those in samples))
        ),
        "full_speed_after_s": round(next(at for at, rate in rates if rate >= FULL_SPEED * usual), 2),
        "memory_mb_over_time": [round(moment) for moment in moments],
    }


def _first(samples: Sequence[Sample]) -> float:
    return float(next(one["at_s"] for one in samples if one["committed"]))


def _last(samples: Sequence[Sample]) -> float:
    most = samples[-1]["committed"]
    return float(next(one["at_s"] for one in samples if one["committed"] == most))


def sizing(client: Mapping[str, str]) -> list[Sample]:
    """Records a second with 1,000 in flight a worker, by latency, partitions and workers."""
    found = []
    for latency in (0.2, 0.8):
        for partitions in (1, 12, 48):
            for count in (1, 2, 4):
                if count > partitions:
                    continue
                ideal = 1000 * count / latency
                load = Load(round(ideal * 6), partitions, latency)
                with filled(client, load) as (source, target):
                    workers = Workers(client, source, target, count, load)
                    workers.until(load.records, 300)
                    workers.stop()
                speed = _speed(workers.samples)
                found.append(
                    {"latency_s": latency, "partitions": partitions, "workers": count, "ideal": round(ideal)} | speed
                )
                tell(str(found[-1]))
    return found


def stuck(client: Mapping[str, str], seconds: float) -> Sample:
    """One key whose call takes so many seconds: all others go on."""
    others = round(min(seconds, 600) * 400)
    load = Load(others, 12, 0.2, stuck_s=seconds)
    with filled(client, load) as (source, target):
        workers = Workers(client, source, target, 1, load)
        workers.until(others, 300 + seconds)
        passed = workers.samples[0][-1]
        longest = _longest_metadata(client, source, load.partitions)
        workers.until(others + 1, 300 + seconds)
        workers.stop()
    end = workers.samples[0][-1]
    return {
        "stuck_s": seconds,
        "others_done_after_s": round(passed["at_s"], 1),
        "others": others,
        "oldest_waiting_s_then": round(passed["oldest_waiting_s"], 1),
        "longest_metadata": longest,
        "all_done_after_s": round(end["at_s"], 1),
        "memory_mb": round(max(one["memory_mb"] for one in workers.samples[0])),
    }


def _longest_metadata(client: Mapping[str, str], topic: str, partitions: int) -> int:
    """Characters; the group is named like the topic."""
    with contextlib.closing(Consumer({**client, "group.id": topic})) as consumer:
        committed = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], 10)
    return max(len(one.metadata or "") for one in committed)


def tell(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", default=["backlog", "sizing", "stuck"])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--stuck-s", type=float, default=600.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.worker:
        client, source, target, slot, load = json.loads(told.worker)
        uvloop.run(work(client, source, target, slot, Load(**load)))
        return
    found: Sample = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack.up(Path(folder), Plan(frozenset({Service.KAFKA})), tethered=True) as stack,
    ):
        kafka = dict(stack.kafka.client())
        if "backlog" in told.scenario:
            found["backlog"] = backlog(kafka, told.records)
        if "sizing" in told.scenario:
            found["sizing"] = sizing(kafka)
        if "stuck" in told.scenario:
            found["stuck"] = stuck(kafka, told.stuck_s)
    text = json.dumps(found, indent=2)
    print(text)
    if told.out:
        told.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
