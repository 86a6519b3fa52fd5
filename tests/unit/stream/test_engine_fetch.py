"""From messages to records, and from packed group metadata to a proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import pytest
from pipeline.stream.assignment import Assignment, Name
from pipeline.stream.fetch import fetch
from pipeline.stream.kafka import Consumer, KafkaError, Message
from pipeline.stream.progress import Progress
from pipeline.stream.record import Record
from pipeline.stream.view import proof_of


async def nothing(_: Assignment, __: Record) -> None:
    """No record is processed here."""


class Shelf:
    """A consumer that has these messages; some may change the assignment before the rest is handed out."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)
        self.between: Callable[[], None] = lambda: None

    def poll(self, wait: float) -> Message | None:
        return self.messages.pop(0) if self.messages else None

    def consume(self, most: int, wait: float) -> list[Message]:
        self.between()
        taken, self.messages = self.messages[:most], self.messages[most:]
        return taken


def message(offset: int, partition: int = 0, error: int | None = None) -> Message:
    return Message(
        topic="t",
        partition=partition,
        offset=offset,
        key=b"k",
        value=b"v",
        headers=[("h", b"1"), ("h", None)],
        timestamp=(1, 77),
        error=None if error is None else KafkaError(error),
    )


def unexpected(error: KafkaError) -> None:
    raise AssertionError(error.name())


def assignment(partition: int = 0) -> Assignment:
    return Assignment("t", partition, Progress(0), nothing)


def test_records_come_by_assignment_with_all_they_have() -> None:
    mine = {("t", 0): assignment(0), ("t", 1): assignment(1)}
    shelf = Shelf([message(3, 0), message(8, 1), message(4, 0), message(9, 2)])
    arrivals = fetch(cast(Consumer, shelf), 0.1, 10, mine.get, unexpected)
    found = {one.assignment.partition: [record.offset for record in one.records] for one in arrivals}
    assert found == {0: [3, 4], 1: [8]}
    assert arrivals[0].records[0] == Record("t", 0, 3, 77, b"k", b"v", (("h", b"1"), ("h", None)))


def test_no_more_is_taken_than_there_is_room_for() -> None:
    shelf = Shelf([message(n) for n in range(5)])
    one = assignment()
    assert len(fetch(cast(Consumer, shelf), 0.1, 1, lambda _: one, unexpected)[0].records) == 1
    assert len(fetch(cast(Consumer, shelf), 0.1, 3, lambda _: one, unexpected)[0].records) == 3


def test_the_end_of_a_partition_is_told_and_other_errors_are_trouble() -> None:
    one, trouble = assignment(), list[int]()
    errors = [message(5, error=KafkaError._PARTITION_EOF), message(0, error=KafkaError.TOPIC_AUTHORIZATION_FAILED)]
    arrivals = fetch(cast(Consumer, Shelf(errors)), 0.1, 9, lambda _: one, lambda error: trouble.append(error.code()))
    assert [(arrival.records, arrival.end) for arrival in arrivals] == [([], 5)]
    assert trouble == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_a_record_fetched_before_a_callback_never_counts_for_the_partitions_next_assignment() -> None:
    """Else the records between the next assignment's start and this one would look like a gap: finished, and lost."""
    old, new = assignment(), assignment()
    mine: dict[Name, Assignment] = {("t", 0): old}
    shelf = Shelf([message(100), message(7)])
    shelf.between = lambda: mine.update({("t", 0): new})
    arrivals = fetch(cast(Consumer, shelf), 0.1, 9, mine.get, unexpected)
    assert [(one.assignment, [record.offset for record in one.records]) for one in arrivals] == [
        (old, [100]),
        (new, [7]),
    ]


@pytest.mark.parametrize(
    ("generation", "member", "whether"), [(5, b"me", True), (-1, b"me", False), (0, b"me", False), (5, b"", False)]
)
def test_only_a_member_of_a_generation_has_a_proof(generation: int, member: bytes, whether: bool) -> None:
    packed = b"CGMDv2:" + generation.to_bytes(4, "little", signed=True) + b"group\0" + member + b"\0\x01"
    assert proof_of(packed) == (packed if whether else None)


def test_a_consumer_that_never_joined_has_no_proof() -> None:
    consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
    assert proof_of(consumer.consumer_group_metadata()) is None
    consumer.close()


def test_another_form_of_group_metadata_is_refused_rather_than_misread() -> None:
    with pytest.raises(RuntimeError, match="another form"):
        proof_of(b"CGMDv3:whatever")
