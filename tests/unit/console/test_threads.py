"""Blocking work beside the event loop: its answer, its failure, and nobody kept from ending by it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pipeline.console.threads import on_thread


async def test_the_answer_and_the_failure_come_to_who_waits() -> None:
    assert await on_thread(lambda: 7) == 7

    def broken() -> int:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        await on_thread(broken)


async def test_more_may_hang_than_a_pool_has_threads_and_the_next_is_still_answered() -> None:
    go = threading.Event()
    hanging = [asyncio.create_task(on_thread(lambda: go.wait(30))) for _ in range(50)]
    assert await on_thread(lambda: 7) == 7
    go.set()
    assert await asyncio.gather(*hanging) == [True] * 50


def test_a_loop_ends_though_work_hangs() -> None:
    go = threading.Event()

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await on_thread(lambda: go.wait(30))

    asyncio.run(given_up())
    go.set()
