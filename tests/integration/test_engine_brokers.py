"""The engine when its broker stops, dies or freezes: it waits, goes on, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.errors import UnavailableError
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.engine import EngineState
from pipeline.stream.kafka import AdminClient
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


def coordinator(client: Mapping[str, str], group: str) -> int:
    """The number of the broker that coordinates a group."""
    admin = AdminClient(dict(client))
    found = admin.describe_consumer_groups([group])[group].result(timeout=10)
    return int(found.coordinator.id)


async def a_moment(_: Record) -> None:
    await asyncio.sleep(random.expovariate(1 / 0.02))


async def test_work_goes_on_soon_after_the_broker_is_back(alone: Stack, topics: tuple[str, str]) -> None:
    client, kafka, (source, target) = alone.kafka.client(), alone.kafka, topics
    publish(client, source, numbered(2000, 200))
    copier = Copier(target, step=a_moment)
    async with working(client, copier, source, source, policy=replace(QUICK, concurrency=20)) as worker:
        await worker.committed(300)
        kafka.freeze()
        await worker.watcher.until(lambda: bool(worker.watcher.abandoned_for), within=30)
        kafka.thaw()
        back, before = time.monotonic(), worker.engine.status().records_committed
        await worker.committed(before + 1)
        resumed = time.monotonic() - back
        assert worker.engine.status().state is EngineState.RUNNING
        await worker.committed(2000)
    exact(client, target, 2000)
    # 1 to 2 s on an idle machine.
    assert resumed < 10


async def test_work_goes_on_without_the_broker_that_coordinates_the_group(cluster: Stack) -> None:
    client, kafka = cluster.kafka.client(), cluster.kafka
    name = uuid.uuid4().hex[:12]
    source, target = f"in-{name}", f"out-{name}"
    safe = {"min.insync.replicas": "2"}
    Admin(client).create([Topic(source, 6, 3, safe), Topic(target, 6, 3, safe)])
    publish(client, source, numbered(2000, 200))
    policy = replace(QUICK, concurrency=20)
    async with working(client, Copier(target, step=a_moment), source, source, policy=policy) as worker:
        await worker.committed(300)
        broker = kafka.brokers[await asyncio.to_thread(coordinator, client, source) - 1]
        await asyncio.to_thread(broker.kill)
        try:
            await worker.committed(worker.engine.status().records_committed + 1000)
        finally:
            await asyncio.to_thread(broker.start)
        assert worker.engine.status().state is EngineState.RUNNING
        await worker.committed(2000)
    exact(client, target, 2000)


async def test_a_stop_without_a_broker_ends_in_time_and_a_later_worker_goes_on(
    alone: Stack, topics: tuple[str, str]
) -> None:
    client, kafka, (source, target) = alone.kafka.client(), alone.kafka, topics
    publish(client, source, numbered(1000, 50))
    policy = replace(QUICK, concurrency=20, transaction_timeout=timedelta(seconds=1), grace=timedelta(seconds=1))
    # Not killed: a Kafka of one node that dies inside a commit loses that transaction's end (docs/operations.md).
    with pytest.raises(UnavailableError, match="did not let this worker commit and leave"):
        async with working(client, Copier(target, step=a_moment), source, source, policy=policy) as worker:
            await worker.committed(100)
            kafka.freeze()
            asked = time.monotonic()
            await worker.stop()
    assert time.monotonic() - asked < 15
    kafka.thaw()
    async with working(client, Copier(target), source, source) as worker:
        await worker.committed(1)
        await worker.idle()
    exact(client, target, 1000)
