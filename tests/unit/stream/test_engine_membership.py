"""A member that gets a partition again waits for the end of what it had begun with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import cast

from pipeline.stream.assignment import Assignment, Name
from pipeline.stream.fetcher import Fetcher
from pipeline.stream.kafka import Consumer, TopicPartition
from pipeline.stream.membership import Membership
from pipeline.stream.progress import Progress
from pipeline.stream.record import Record
from pipeline.stream.trouble import Trouble


class Group:
    """A consumer that was given what the test says; offset 7 is committed everywhere."""

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None: ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None: ...

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, 7) for one in partitions]


class Nobody:
    """Fetches nothing."""

    def add(self, assignments: Sequence[Assignment]) -> None: ...


class Ear:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.given: list[Name] = []
        self.waiting: list[Name] = []

    def create(self, topic: str, partition: int, progress: Progress) -> Assignment:
        async def nothing(_: Assignment, __: Record) -> None: ...

        return Assignment(topic, partition, progress, nothing)

    def assigned(self, assignments: Sequence[Assignment], resolving: Sequence[Name]) -> None:
        self.given += [one.name for one in assignments]
        self.waiting += resolving

    def resolved(self, assignment: Assignment, waited: timedelta) -> None:
        self.given.append(assignment.name)

    def drain(self, assignments: Sequence[Assignment], drained: Future[None]) -> None: ...

    def gone(self, assignments: Sequence[Assignment], lost: bool, took: timedelta) -> None: ...


async def test_a_partition_in_an_open_transaction_of_ours_is_not_read_before_its_end() -> None:
    ear = Ear()
    settings: dict[str, str | int | bool] = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0}
    trouble = cast(Trouble, lambda _: None)
    member = Membership(settings, ["t"], ear, cast(Fetcher, Nobody()), trouble, patience=1.0)
    member.busy = lambda: frozenset({("t", 1)})
    member._consumer = group = cast(Consumer, Group())
    member._on_assign(group, [TopicPartition("t", 0), TopicPartition("t", 1)])
    member._resolve()
    await asyncio.sleep(0)
    assert (ear.given, ear.waiting) == ([("t", 0)], [("t", 1)])
    member.busy = frozenset
    member._resolve()
    await asyncio.sleep(0)
    assert ear.given == [("t", 0), ("t", 1)]
    assert {one.name for one in member.view.owned} == set(ear.given)
