"""From messages to records, and from packed group metadata to a proof."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from pipeline.stream.assignment import Assignment
from pipeline.stream.failures import Complaints
from pipeline.stream.fetcher import Arrival, records_of
from pipeline.stream.kafka import Consumer, KafkaError, Message
from pipeline.stream.progress import Progress
from pipeline.stream.record import Record
from pipeline.stream.trouble import Trouble
from pipeline.stream.view import proof_of


async def nothing(_: Assignment, __: Record) -> None:
    """No record is processed here."""


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


def sort(messages: Sequence[Message]) -> tuple[dict[int, Arrival], list[int]]:
    mine = {("t", n): Assignment("t", n, Progress(0), nothing) for n in range(2)}
    troubles: list[int] = []
    found = records_of(messages, mine, lambda error: troubles.append(error.code()))
    return {one.assignment.partition: one for one in found}, troubles


def test_records_come_by_assignment_with_all_they_have() -> None:
    found, _ = sort([message(3, 0), message(8, 1), message(4, 0)])
    assert {n: [record.offset for record in one.records] for n, one in found.items()} == {0: [3, 4], 1: [8]}
    assert found[0].records[0] == Record("t", 0, 3, 77, b"k", b"v", (("h", b"1"), ("h", None)))


def test_a_partition_that_is_not_ours_any_more_is_passed_over() -> None:
    assert sort([message(9, 5)]) == ({}, [])


def test_the_end_of_a_partition_is_told_and_other_errors_are_trouble() -> None:
    errors = [message(5, error=KafkaError._PARTITION_EOF), message(0, error=KafkaError.TOPIC_AUTHORIZATION_FAILED)]
    found, troubles = sort([message(4), *errors])
    assert ([record.offset for record in found[0].records], found[0].end) == ([4], 5)
    assert troubles == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


async def test_the_same_trouble_is_told_once_in_a_while_and_a_fatal_one_is_kept() -> None:
    told: list[str] = []
    trouble = Trouble(Complaints({}), told.append)
    for _ in range(50):
        trouble(KafkaError(KafkaError._TRANSPORT, "gone"))
    trouble(KafkaError(KafkaError._FATAL, "the end", fatal=True))
    await asyncio.sleep(0)
    assert told == ["_TRANSPORT: gone", "_FATAL: the end"]
    assert trouble.fatal


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
