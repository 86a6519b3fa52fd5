"""This project's engine with the call that its peers make, or (mode `gateway`) with its own gateway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

import uvloop
from benchmarks.engines.call import AsyncCaller, Task
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.record import Output, Record


class Sorter:
    """Answers each ticket; what raises becomes a dead letter."""

    def __init__(self, task: Task, call: Callable[[bytes | None], Awaitable[bytes]]) -> None:
        self._task, self._call = task, call

    async def process(self, record: Record) -> Sequence[Output]:
        return (Output(self._task.target, record.key, await self._call(record.value)),)

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        return (Output(self._task.graveyard, record.key, record.value, (("why", repr(error).encode()),)),)

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        return (Output(self._task.graveyard, record.key, record.value, (("why", reason.encode()),)),)


async def main(task: Task) -> None:
    if task.mode == "gateway":
        # Only who calls through it waits for the vendors' SDKs to be imported.
        from benchmarks.engines.ours.gateway import GatewayCaller

        caller: GatewayCaller | AsyncCaller = GatewayCaller(task)
    else:
        caller = AsyncCaller(task)
    engine = Engine(
        Sorter(task, caller),
        topics=[task.source],
        group=task.group,
        transactional_id=f"{task.group}.{task.slot}",
        client={"bootstrap.servers": task.bootstrap},
        policy=EnginePolicy(concurrency=task.concurrency),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    try:
        await engine.run()
    finally:
        await caller.close()


if __name__ == "__main__":
    uvloop.run(main(Task.read()))
