"""The engine when its broker stops, dies or freezes: it waits, goes on, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.engine import EngineState
from pipeline.stream.record import Record
from tests.integration.engine_harness import QUICK, Copier, exact, numbered, publish, working

NewStack = Callable[[Plan], Stack]


@pytest.fixture(scope="module")
def alone(new_stacks: NewStack) -> Stack:
    """A Kafka that these tests may treat badly, and leave running."""
    return new_stacks(Plan(frozenset({Service.KAFKA})))


@pytest.fixture
def topics(alone: Stack) -> tuple[str, str]:
    """Where records come from and go to."""
    name = uuid.uuid4().hex[:12]
    Admin(alone.kafka.client()).create([Topic(f"in-{name}", 6, 1, {}), Topic(f"out-{name}", 6, 1, {})])
    return f"in-{name}", f"out-{name}"


async def a_moment(_: Record) -> None:
    await asyncio.sleep(random.expovariate(1 / 0.02))


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_work_goes_on_soon_after_the_broker_is_back(alone: Stack, topics: tuple[str, str], how: str) -> None:
    client, kafka, (source, target) = alone.kafka.client(), alone.kafka, topics
    publish(client, source, numbered(2000, 200))
    copier = Copier(target, step=a_moment)
    async with working(client, copier, source, source, policy=replace(QUICK, concurrency=20)) as worker:
        await worker.committed(300)
        if how == "frozen":
            kafka.freeze()
            await worker.watcher.until(lambda: bool(worker.watcher.abandoned_for), within=30)
            kafka.thaw()
        else:
            await asyncio.to_thread(kafka.kill)
            before = worker.engine.status().records_committed
            with pytest.raises(TimeoutError):
                await worker.committed(before + 1, within=3)
            await asyncio.to_thread(kafka.start)
        back, before = time.monotonic(), worker.engine.status().records_committed
        await worker.committed(before + 1)
        resumed = time.monotonic() - back
        assert worker.engine.status().state is EngineState.RUNNING
        await worker.committed(2000)
    exact(client, target, 2000)
    # 1 to 2 s on an idle machine.
    assert resumed < 10


async def test_a_stop_without_a_broker_ends_in_time_and_a_later_worker_goes_on(
    alone: Stack, topics: tuple[str, str]
) -> None:
    client, kafka, (source, target) = alone.kafka.client(), alone.kafka, topics
    publish(client, source, numbered(1000, 50))
    policy = replace(QUICK, concurrency=20, transaction_timeout=timedelta(seconds=1), grace=timedelta(seconds=1))
    async with working(client, Copier(target, step=a_moment), source, source, policy=policy) as worker:
        await worker.committed(100)
        await asyncio.to_thread(kafka.kill)
        asked = time.monotonic()
        await worker.stop()
        assert time.monotonic() - asked < 15
    await asyncio.to_thread(kafka.start)
    async with working(client, Copier(target), source, source) as worker:
        await worker.committed(1)
        await worker.idle()
    exact(client, target, 1000)
