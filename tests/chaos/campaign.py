"""The chaos campaign: workers and brokers fail by a schedule drawn from a seed, and a checker reads what came out.

    python -m tests.chaos.campaign [--seed 1] [--seeds 20] [--records 100000] [--away 20] [--json FILE]

It proves from the topics alone that each input came out exactly once (as output or dead letter), each key in order,
that nothing was ever committed that was not visible, and that the ledger of usage equals the outputs.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import re
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.errors import UnavailableError
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.committed import committed
from pipeline.stream.kafka import Consumer, KafkaException, Producer
from pipeline.stream.policy import EnginePolicy
from pipeline.stream.reader import read
from pipeline.stream.record import Record
from tests.chaos.checker import Coordinates, Verdict, check
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.schedule import BROKERS, WORKERS, Kind, schedule

PARTITIONS = 24
KEYS = 2_000
CONCURRENCY = 200
REPEATED = 3 * CONCURRENCY + 100
"""Calls that one loss may repeat: what was in flight, and what was finished and not committed (500 at most)."""
_REVOKED = re.compile(r"revoked \[.*took (\S+) s")
POISON = 500
"""Every how many records one fails."""
LARGE = 3
"""Records whose output no broker takes."""


@dataclass
class Report:
    """What one campaign found."""

    seed: int
    records: int
    verdict: str
    exact: bool
    calls_repeated: int
    repeats_allowed: int
    seconds: float
    faults: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Exact, with no more calls repeated than were in flight when something was lost, and no worker gone."""
        return self.exact and not self.wrong and not self.unasked and self.calls_repeated <= self.repeats_allowed

    def __str__(self) -> str:
        mark = "ok" if self.good else "FAILED"
        return (
            f"seed {self.seed}: {mark}: {self.verdict}; {self.calls_repeated} calls repeated "
            f"(at most {self.repeats_allowed}); {self.seconds:.0f} s"
        )


class Campaign:
    """One of them, on a running cluster."""

    def __init__(
        self, stack: Stack, seed: int, records: int, extra: int, away: float, only: Sequence[str], folder: Path
    ) -> None:
        self._kafka = stack.kafka
        self._client: Mapping[str, str] = stack.kafka.client()
        self._admin = Admin(self._client)
        self._seed, self._records, self._folder = seed, records, folder
        self._faults = [fault for fault in schedule(seed, extra, away) if not only or fault.kind.name in only]
        name = uuid.uuid4().hex[:8]
        self._source, self._target, self._usage, self._graveyard = (
            f"{what}-{name}" for what in ("in", "out", "usage", "dead")
        )
        self._group = f"group-{name}"
        self._wrong: list[str] = []

    def run(self, limit: float) -> Report:
        """Publishes, breaks, waits until all is committed (`limit` seconds at most), and checks."""
        safe = {"min.insync.replicas": "2"}
        self._admin.create(
            [
                Topic(self._source, PARTITIONS, BROKERS, safe),
                Topic(self._target, PARTITIONS, BROKERS, {**safe, "max.message.bytes": "200000"}),
                Topic(self._usage, 4, BROKERS, safe),
                Topic(self._graveyard, 4, BROKERS, safe),
            ]
        )
        self._publish()
        task = {
            "client": dict(self._client),
            "source": self._source,
            "target": self._target,
            "usage": self._usage,
            "graveyard": self._graveyard,
            "group": self._group,
            "concurrency": CONCURRENCY,
            "median": 0.02,
        }
        began = time.monotonic()
        deadline = began + limit
        with fleet(task, self._folder) as workers:
            for slot in WORKERS:
                workers.start(slot)
            faults = Faults(self._kafka, self._group, workers, self._review)
            for fault in self._faults:
                workers.until(functools.partial(workers.has_committed, fault.share * self._records), deadline)
                (self._folder / "faults").open("a").write(f"{time.monotonic():.3f} {fault}\n")
                faults.happen(fault)
            workers.until(self._all_committed, deadline)
            seconds = time.monotonic() - began
            codes = workers.stop()
        # In good order, too: told to leave before it could listen, and (1) while no broker was there to let it go.
        if set(codes) - {0, 1, -signal.SIGTERM}:
            self._wrong.append(f"workers ended with {codes}")
        return self._judge(workers, seconds)

    def _publish(self) -> None:
        dice = random.Random(f"records {self._seed}")
        producer = Producer({**self._client, "linger.ms": 20, "enable.idempotence": True})
        weights = [rank**-0.5 for rank in range(1, KEYS + 1)]
        large = set(dice.sample(range(self._records), LARGE))
        for number, key in enumerate(dice.choices(range(KEYS), weights, k=self._records)):
            what = b"large" if number in large else b"poison" if number % POISON == POISON - 1 else b"record"
            producer.produce(self._source, b"%s %d" % (what, number), b"key-%d" % key)
            if number % 1000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0

    # --- what is read while it works, and when all is over

    def _review(self) -> None:
        """Everything that the group has committed as finished must be visible."""
        consumer = Consumer({**self._client, "group.id": self._group, "isolation.level": "read_committed"})
        try:
            known = committed(consumer, [(self._source, number) for number in range(PARTITIONS)], 15)
        except KafkaException:
            return
        finally:
            consumer.close()
        ends = self._admin.ends([self._source])
        said = {
            (*name, offset)
            for name, progress in known.items()
            for offset in range(ends[name])
            if progress.is_finished(offset)
        }
        # A commit's markers come to one partition after the other.
        deadline = time.monotonic() + 20
        while said := said - {source_of(self._source, one) for one in self._out()}:
            if time.monotonic() > deadline:
                self._wrong += [f"{where} was committed and is not visible" for where in sorted(said)]
                return

    def _all_committed(self) -> bool:
        try:
            return all(part.records == 0 for part in self._admin.lag(self._group, [self._source]))
        except UnavailableError:
            return False

    def _out(self) -> Iterator[Record]:
        return read(self._client, [self._target, self._graveyard], timeout=60)

    def _judge(self, workers: Fleet, seconds: float) -> Report:
        verdict = check(
            read(self._client, [self._source], timeout=60), self._out(), lambda one: source_of(self._source, one)
        )
        answered = Counter(source_of(self._source, one) for one in read(self._client, [self._target], timeout=60))
        ledger = Counter(source_of(self._source, one) for one in read(self._client, [self._usage], timeout=60))
        if answered != ledger:
            without = len(answered - ledger), len(ledger - answered)
            self._wrong.append("{} outputs without usage, {} usages without output".format(*without))
        said = [log.read_text() for log in self._folder.glob("*.log")]
        losses = sum(log.count(" lost [") for log in said)
        # Given back after all the patience there is: what was finished and could not be committed is called for again.
        patience = EnginePolicy().patience.total_seconds()
        losses += sum(float(took) >= patience for log in said for took in _REVOKED.findall(log))
        # Without brokers each may be expelled, also one that is just giving its partitions back.
        losses += sum(len(WORKERS) for fault in self._faults if fault.kind is Kind.NO_BROKER)
        calls = sum(1 for path in self._folder.glob("*.calls") for _ in path.open())
        self._wrong += self._stories(verdict)
        return Report(
            self._seed,
            self._records,
            str(verdict),
            verdict.exact,
            calls - self._records,
            (workers.kills + losses) * REPEATED,
            seconds,
            [str(fault) for fault in self._faults],
            workers.unasked,
            self._wrong,
        )

    def _stories(self, verdict: Verdict) -> list[str]:
        """Of the first offenders: who called for them and when, and what the workers said of their partition."""
        offenders = [*verdict.lost, *verdict.duplicated, *(pair[0] for pair in verdict.out_of_order)][:3]
        return [line for where in offenders for line in self._story(where)]

    def _story(self, where: Coordinates) -> Iterator[str]:
        yield f"story of {where}"
        for path in sorted(self._folder.glob("*.calls")):
            for line in path.open():
                moment, partition, offset = line.split()
                if (int(partition), int(offset)) == where[1:]:
                    yield f"  {moment} called by {path.stem}"
        for path in sorted(self._folder.glob("*.log")):
            for line in path.open():
                if "starts at" in line or f"[{where[1]}]" in line or f" {where[1]}," in line:
                    yield f"  {path.stem}: {line.strip()}"


def source_of(topic: str, output: Record) -> Coordinates:
    """The input that an output stands for."""
    partition, offset = (dict(output.headers)["source"] or b"").split()
    return topic, int(partition), int(offset)


def campaign(
    stack: Stack,
    seed: int,
    records: int,
    *,
    extra: int,
    away: float,
    only: Sequence[str] = (),
    folder: Path,
    limit: float,
) -> Report:
    """Runs one on a cluster of three brokers."""
    return Campaign(stack, seed, records, extra, away, only, folder).run(limit)


def main(arguments: Sequence[str]) -> int:
    """Campaigns one after the other; the first that fails keeps its folder and ends it."""
    parser = argparse.ArgumentParser(description="chaos campaigns of the engine")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--extra", type=int, default=14, help="faults beyond one of each kind")
    parser.add_argument("--away", type=float, default=20.0, help="seconds without any broker")
    parser.add_argument("--only", nargs="*", default=(), choices=[kind.name for kind in Kind], help="of all faults")
    parser.add_argument("--json", type=Path, help="writes the reports there")
    told = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    reports: list[Report] = []
    plan = Plan(frozenset({Service.KAFKA}), brokers=BROKERS)
    with Stack.up(folder / "stack", plan, tethered=True) as stack:
        for seed in range(told.seed, told.seed + told.seeds):
            own = folder / str(seed)
            own.mkdir()
            report = campaign(
                stack,
                seed,
                told.records,
                extra=told.extra,
                away=told.away,
                only=told.only,
                folder=own,
                limit=60 + told.records / 100,
            )
            reports.append(report)
            sys.stdout.write(f"{report}\n")
            sys.stdout.flush()
            if told.json:
                told.json.write_text(json.dumps([asdict(one) for one in reports], indent=1))
            if not report.good:
                sys.stdout.write("\n".join([*report.faults, *report.unasked, *report.wrong, f"logs: {own}", ""]))
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
