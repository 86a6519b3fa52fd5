"""A worker process of the engine's chaos tests: copies records after a simulated call. Told what to do by one JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.observer import Partition, Silent
from pipeline.stream.record import Output, Record
from pipeline.stream.slots import WorkerSlot

log = logging.getLogger("worker")


class Caller:
    """Takes a log-normal time for each record, and writes down in a file that it was called."""

    def __init__(self, target: str, median: float, calls: int) -> None:
        self._target, self._median, self._calls = target, median, calls

    async def process(self, record: Record) -> Sequence[Output]:
        os.write(self._calls, b"%d %d\n" % (record.partition, record.offset))
        await asyncio.sleep(random.lognormvariate(math.log(self._median), 0.6))
        source = b"%d %d" % (record.partition, record.offset)
        return (Output(self._target, record.key, record.value, (("source", source),)),)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        raise error

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        raise RuntimeError(reason)


class Reporter(Silent):
    """Tells the test on standard output how many records each transaction committed."""

    def committed(self, records: int, outputs: int, took: timedelta) -> None:
        sys.stdout.write(f"{records}\n")
        sys.stdout.flush()

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None:
        log.info("assigned %s, of which %s wait", numbers([*partitions, *resolving]), numbers(resolving))

    def resolved(self, partition: Partition, waited: timedelta) -> None:
        log.info("resolved %s after %.1f s", partition[1], waited.total_seconds())

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None:
        log.info("revoked %s, %d cancelled, took %.1f s", numbers(partitions), cancelled, took.total_seconds())

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None:
        log.info("lost %s, %d cancelled", numbers(partitions), cancelled)

    def aborted(self, reason: str) -> None:
        log.info("aborted: %s", reason)

    def abandoned(self, reason: str) -> None:
        log.info("producer abandoned: %s", reason)

    def trouble(self, reason: str) -> None:
        log.info("trouble: %s", reason)


def numbers(partitions: Sequence[Partition]) -> list[int]:
    """Partition numbers, in order."""
    return sorted(number for _, number in partitions)


async def main() -> None:
    """Works until SIGTERM."""
    told = json.loads(sys.argv[1])
    calls = os.open(told["calls"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with WorkerSlot.claim(Path(told["slots"]), told["group"], told["slot"]) as slot:
        engine = Engine(
            Caller(told["target"], told["median"], calls),
            topics=[told["source"]],
            group=told["group"],
            transactional_id=slot.transactional_id,
            client=told["client"],
            policy=EnginePolicy(concurrency=told["concurrency"], group_protocol=told["protocol"]),
            observer=Reporter(),
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
        await engine.run()


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    asyncio.run(main())
