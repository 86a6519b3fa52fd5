"""What a read-committed reader of topics is promised."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from pipeline.errors import UnavailableError, UsageError
from pipeline.stream.kafka import Producer
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import Span, pick, read, spans
from pipeline.stream.record import Output
from tests.conftest import FreshTopic

Client = Mapping[str, str]


def test_every_record_comes_back_as_it_was_sent_in_the_order_of_its_partition(
    client: Client, fresh_topic: FreshTopic
) -> None:
    topic = fresh_topic(3)
    sent = [
        Output(topic, b"key-%d" % (n % 7), b"value-%d" % n, (("trace", b"%d" % n), ("empty", None))) for n in range(500)
    ]
    sent.append(Output(topic, None, None))
    _publish(client, *sent)
    found = list(read(client, [topic]))
    assert len(found) == len(sent)
    assert {(r.key, r.value, r.headers) for r in found} == {(o.key, o.value, o.headers) for o in sent}
    for partition in range(3):
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_an_aborted_transaction_is_never_seen_and_its_markers_do_not_hold_up_the_end(
    client: Client, fresh_topic: FreshTopic
) -> None:
    topic = fresh_topic(2)
    producer = _transactional(client, topic)
    for kept in (True, False, True, False):
        _transact(producer, topic, b"kept" if kept else b"dropped", commit=kept)
    assert [record.value for record in read(client, [topic], timeout=10)] == [b"kept", b"kept"]


def test_an_open_transaction_is_not_waited_for(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(1)
    producer = _transactional(client, topic)
    _transact(producer, topic, b"before", commit=True)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    producer.flush()
    _publish(client, Output(topic, None, b"behind the open one"))
    assert [record.value for record in read(client, [topic], timeout=10)] == [b"before"]
    producer.abort_transaction()


def test_single_records_are_picked_near_and_far_and_what_is_not_there_is_left_out(
    client: Client, fresh_topic: FreshTopic
) -> None:
    topic = fresh_topic(2)
    _publish(client, *(Output(topic, b"a", b"%d" % n) for n in range(2000)))
    (part,) = {(record.topic, record.partition) for record in read(client, [topic], limit=1)}
    other = (topic, 1 - part[1])
    found = list(pick(client, {part: [3, 1999, 5, 900, 5000], other: [7]}))
    assert [(record.offset, record.value) for record in found] == [(n, b"%d" % n) for n in (3, 5, 900, 1999)]
    assert list(pick(client, {})) == []
    assert spans(client, [topic]) == {part: Span(0, 2000), other: Span(0, 0)}
    assert [record.offset for record in read(client, [topic], start={part: 1998})] == [1998, 1999]


def test_reading_ends_where_the_topic_ended_when_it_began(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(1)
    _publish(client, *(Output(topic, None, b"%d" % n) for n in range(10)))
    reading = read(client, [topic])
    assert next(reading).value == b"0"
    _publish(client, Output(topic, None, b"later"))
    assert [record.value for record in reading] == [b"%d" % n for n in range(1, 10)]


def test_an_empty_topic_and_the_latest_start_end_at_once(client: Client, fresh_topic: FreshTopic) -> None:
    empty, full = fresh_topic(4), fresh_topic(1)
    _publish(client, Output(full, None, b"x"))
    assert list(read(client, [empty], timeout=5)) == []
    assert list(read(client, [full], start="latest", timeout=5)) == []


def test_a_start_in_time_and_a_limit_are_kept(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(2)
    with Publisher(client) as publisher:
        for n in range(10):
            publisher.send(Output(topic, b"k", b"%d" % n), timestamp_ms=1_000_000 + n)
    begin = datetime.fromtimestamp(1000.004, UTC)
    assert [record.value for record in read(client, [topic], start=begin)] == [b"4", b"5", b"6", b"7", b"8", b"9"]
    assert [record.value for record in read(client, [topic], limit=2)] == [b"0", b"1"]
    assert list(read(client, [topic], start=datetime.now(UTC), timeout=5)) == []


def test_following_sees_what_comes_later_until_it_is_stopped(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(1)
    _publish(client, Output(topic, None, b"first"))
    stop = threading.Event()
    seen = []
    for record in read(client, [topic], until_end=False, stop=stop):
        seen.append(record.value)
        if record.value == b"first":
            _publish(client, Output(topic, None, b"second"))
        else:
            stop.set()
    assert seen == [b"first", b"second"]


def test_a_topic_that_does_not_exist_is_named(client: Client) -> None:
    with pytest.raises(UsageError, match=r"does not exist while reading nowhere: create it"):
        list(read(client, ["nowhere"]))


def test_an_unreachable_cluster_is_one_line_that_names_it() -> None:
    with pytest.raises(UnavailableError, match=r"^Kafka at 127\.0\.0\.1:1 failed while reading a "):
        list(read({"bootstrap.servers": "127.0.0.1:1"}, ["a"], timeout=1))


def _publish(client: Client, *outputs: Output) -> None:
    with Publisher(client) as publisher:
        for output in outputs:
            publisher.send(output)


def _transactional(client: Client, name: str) -> Producer:
    producer = Producer({**client, "transactional.id": name, "log_level": 0})
    producer.init_transactions()
    return producer


def _transact(producer: Producer, topic: str, value: bytes, *, commit: bool) -> None:
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    # Or an abort would find nothing on the broker.
    producer.flush()
    if commit:
        producer.commit_transaction()
    else:
        producer.abort_transaction()


def test_a_topic_made_a_moment_ago_can_be_read(client: Mapping[str, str], fresh_topic: FreshTopic) -> None:
    """Its partitions have no leader yet who could answer: that is no reason to fail."""
    for _ in range(5):
        assert list(read(client, [fresh_topic(partitions=24)])) == []
