"""A worker process of the chaos campaign: copies records after a simulated call. Told what to do by one JSON.

A record whose value begins with `poison` fails; one that begins with `large` has an output that no broker takes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import uvloop
from pipeline.errors import UnavailableError
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.observer import Partition, Silent
from pipeline.stream.record import Output, Record
from pipeline.stream.slots import WorkerSlot

log = logging.getLogger("worker")
LARGE = 400_000
"""Bytes; more than the output topic takes."""


class Caller:
    """Takes a log-normal time for each record, and writes down in a file that it was called.

    What comes out: the record itself and what it cost, or a dead letter.
    """

    def __init__(self, told: dict[str, str], median: float, calls: int) -> None:
        self._target, self._usage, self._graveyard = told["target"], told["usage"], told["graveyard"]
        self._median, self._calls = median, calls

    async def process(self, record: Record) -> Sequence[Output]:
        os.write(self._calls, b"%.3f %d %d\n" % (time.monotonic(), record.partition, record.offset))
        await asyncio.sleep(random.lognormvariate(math.log(self._median), 0.6))
        value = record.value or b""
        if value.startswith(b"poison"):
            raise ValueError("poison")
        if value.startswith(b"large"):
            value = value.ljust(LARGE, b".")
        cost = b"%d" % (record.offset % 97)
        return (
            Output(self._target, record.key, value, (_source(record),)),
            Output(self._usage, b"tenant", cost, (_source(record),)),
        )

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        return (Output(self._graveyard, record.key, record.value, (_source(record), ("why", str(error).encode()))),)

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        return (Output(self._graveyard, record.key, record.value, (_source(record), ("why", reason.encode()))),)


def _source(record: Record) -> tuple[str, bytes]:
    return "source", b"%d %d" % (record.partition, record.offset)


class Reporter(Silent):
    """Tells the campaign on standard output how many records each transaction committed, the log all else."""

    def committed(self, records: int, outputs: int, took: timedelta) -> None:
        sys.stdout.write(f"{records}\n")
        sys.stdout.flush()

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None:
        log.info("assigned %s, of which %s wait", numbers([*partitions, *resolving]), numbers(resolving))

    def resolved(self, partition: Partition, waited: timedelta) -> None:
        log.info("resolved [%d] after %.1f s", partition[1], waited.total_seconds())

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None:
        log.info("revoked %s, %d cancelled, took %.1f s", numbers(partitions), cancelled, took.total_seconds())

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None:
        log.info("lost %s, %d cancelled", numbers(partitions), cancelled)

    def aborted(self, reason: str) -> None:
        log.info("aborted: %s", reason)

    def abandoned(self, reason: str) -> None:
        log.info("producer abandoned: %s", reason)

    def refused(self, record: Record, output: Output, reason: str) -> None:
        log.info("refused an output of [%d] offset %d: %s", record.partition, record.offset, reason)

    def trouble(self, reason: str) -> None:
        log.info("trouble: %s", reason)


def numbers(partitions: Sequence[Partition]) -> list[int]:
    """Partition numbers, in order."""
    return sorted(number for _, number in partitions)


def jump() -> None:
    """The clock on the wall goes two hours back, or on, for all of this process's Python."""
    now, shift = time.time, random.choice((-7200, 7200))
    time.time = lambda: now() + shift
    log.info("clock jumps by %d s", shift)


async def main() -> None:
    """Works until SIGTERM. Ends with 1 when Kafka was not there to be left in good order."""
    told = json.loads(sys.argv[1])
    calls = os.open(told["calls"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with WorkerSlot.claim(Path(told["slots"]), told["group"], told["slot"]) as slot:
        engine = Engine(
            Caller(told, told["median"], calls),
            topics=[told["source"]],
            group=told["group"],
            transactional_id=slot.transactional_id,
            client=told["client"],
            policy=EnginePolicy(concurrency=told["concurrency"]),
            observer=Reporter(),
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, engine.stop)
        loop.add_signal_handler(signal.SIGUSR1, jump)
        try:
            await engine.run()
        except UnavailableError as error:
            log.info("ended: %s", error)
            sys.exit(1)


if __name__ == "__main__":
    logging.basicConfig(format="%(relativeCreated)d %(message)s", level=logging.INFO)
    log.info("starts at %.3f", time.monotonic())
    uvloop.run(main())
