"""A server of one's own gets as many calls at once as it can work on, and not many more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.llm import Account
from pipeline.llm.concurrency import AdaptiveLimit, ConcurrencyPolicy
from pipeline.llm.providers.provider import Reply, Request
from tests.unit.llm.questions import gateway, question, says

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Server:
    """Works on `slots` calls at a time, the rest queue inside; each takes about a second."""

    def __init__(self, slots: int) -> None:
        self.inside = self.most = self.done = 0
        self._slots = asyncio.Semaphore(slots)
        self._draw = random.Random(4)

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        self.inside += 1
        self.most = max(self.most, self.inside)
        async with self._slots:
            await asyncio.sleep(self._draw.uniform(0.8, 1.2))
        self.inside -= 1
        self.done += 1
        return says()

    async def ping(self, timeout_s: float) -> None: ...

    async def close(self) -> None: ...


def test_the_server_is_kept_busy_and_not_flooded(run: Run) -> None:
    async def main() -> None:
        server = Server(slots=32)
        subject = gateway(openai=Account(server, adapts_concurrency=True, max_concurrency=1000))
        tasks = [asyncio.create_task(subject.complete(question())) for _ in range(3500)]
        await asyncio.sleep(40)
        warm, server.most = server.done, 0
        await asyncio.sleep(30)
        assert (server.done - warm) / 30 > 0.95 * 32, "places were left empty"
        assert server.most < 4 * 32, f"{server.most} calls stood in the server at once"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_failures_lower_the_limit_and_answers_raise_it_again() -> None:
    limit = AdaptiveLimit(ConcurrencyPolicy(first=100), most=200)
    for _ in range(10):
        limit.failed()
    low = limit.limit
    assert low < 40
    for _ in range(10_000):
        limit.answered(1.0, limit.limit)
    assert limit.limit == 200


def test_an_idle_server_teaches_nothing() -> None:
    limit = AdaptiveLimit(ConcurrencyPolicy(first=50), most=200)
    for _ in range(1000):
        limit.answered(1.0, running=3)
    assert limit.limit == 50
