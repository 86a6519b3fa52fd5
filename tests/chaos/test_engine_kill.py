"""Workers are killed and frozen while they work; a read-committed consumer must not notice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pipeline.stream.kafka import Producer
from pipeline.stream.reader import read
from pipeline.stream.record import Record
from tests.chaos.checker import Coordinates, check

RECORDS = 20_000
KEYS = 2_000
PARTITIONS = 12
CONCURRENCY = 200
FROZEN = 8.0
"""Seconds; the embedded broker's session timeout is 6."""
LIMIT = 150.0


@dataclass
class Fleet:
    """Worker processes by slot, and how much they have committed together."""

    task: Mapping[str, object]
    folder: Path
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    committed: int = 0
    news: threading.Condition = field(default_factory=threading.Condition)

    def start(self, slot: str) -> None:
        told = {**self.task, "slot": slot, "calls": str(self.folder / "calls"), "slots": str(self.folder / "slots")}
        with (self.folder / f"{slot}.log").open("a") as log:
            process = self.running[slot] = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.engine_worker", json.dumps(told)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        threading.Thread(target=self._count, args=(process,), daemon=True).start()

    def kill(self, slot: str) -> None:
        self.running[slot].kill()
        self.running[slot].wait()

    def until(self, committed: int, deadline: float) -> None:
        """Waits until so many records are committed; a killed worker's last words may be missing in the count."""
        with self.news:
            if not self.news.wait_for(lambda: self.committed >= committed, max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"only {self.committed} of {committed} committed in time; see {self.folder}")

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            assert process.wait(20) == 0

    def _count(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self.news:
                self.committed += int(line)
                self.news.notify_all()


@contextmanager
def fleet(task: Mapping[str, object], folder: Path) -> Iterator[Fleet]:
    workers = Fleet(task, folder)
    try:
        yield workers
    finally:
        for process in workers.running.values():
            process.kill()
            process.wait()


def publish(client: Mapping[str, str], topic: str, dice: random.Random) -> None:
    producer = Producer({**client, "linger.ms": 5})
    weights = [rank**-0.8 for rank in range(1, KEYS + 1)]
    for number, key in enumerate(dice.choices(range(KEYS), weights, k=RECORDS)):
        producer.produce(topic, b"%d" % number, b"key-%d" % key)
        if number % 5000 == 0:
            producer.poll(0)
    assert producer.flush(30) == 0


def source_of(topic: str) -> Callable[[Record], Coordinates]:
    def source(output: Record) -> Coordinates:
        partition, offset = (dict(output.headers)["source"] or b"").split()
        return topic, int(partition), int(offset)

    return source


@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["consumer"])
def test_killed_and_frozen_workers_lose_repeat_and_reorder_nothing(
    client: Mapping[str, str], fresh_topic: Callable[..., str], fresh_group: str, tmp_path: Path, protocol: str
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    source, target = fresh_topic(PARTITIONS), fresh_topic(PARTITIONS)
    publish(client, source, dice)
    task = {
        "client": dict(client),
        "source": source,
        "target": target,
        "group": fresh_group,
        "concurrency": CONCURRENCY,
        "median": 0.02,
        "protocol": protocol,
    }
    began = time.monotonic()
    deadline = began + LIMIT
    with fleet(task, tmp_path) as workers:
        workers.start("a")
        workers.start("b")
        victims = ["a", "b", "a", "b"]
        dice.shuffle(victims)
        for step, victim in enumerate(victims):
            workers.until(int(RECORDS * (0.08 + 0.18 * step + dice.uniform(0, 0.08))), deadline)
            workers.kill(victim)
            workers.start(victim)
        workers.until(int(RECORDS * dice.uniform(0.82, 0.86)), deadline)
        frozen = workers.running[dice.choice("ab")]
        frozen.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(FROZEN, frozen.send_signal, (signal.SIGCONT,))
        thaw.start()
        # What a killed worker committed last may not have been told: the topic itself says when all is there.
        while (done := sum(1 for _ in read(client, [target]))) < RECORDS:
            assert time.monotonic() < deadline, f"only {done} of {RECORDS} came out in time (seed {seed})"
        took = time.monotonic() - began
        thaw.join()
        workers.stop()
    verdict = check(read(client, [source]), read(client, [target]), source_of(source))
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    repeated = sum(calls.values()) - RECORDS
    sys.stdout.write(f"{verdict}; {repeated} calls repeated; {took:.0f} s\n")
    assert verdict.exact, f"seed {seed}\n{verdict.story()}"
    # A starved machine may cost a worker its session: every such loss repeats as much as a kill.
    losses = sum(log.read_text().count(" lost [") for log in tmp_path.glob("*.log"))
    assert losses >= 1, "the frozen worker never learned that it lost its partitions"
    assert repeated <= (len(victims) + losses) * 2 * CONCURRENCY
