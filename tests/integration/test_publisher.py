"""What someone who publishes is told."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from pipeline.errors import Cause, EncodeError, Stage, UnavailableError, UsageError
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output
from tests.conftest import FreshTopic

Client = Mapping[str, str]


def test_what_was_flushed_is_there_and_counted(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(1)
    publisher = Publisher(client)
    for n in range(30_000):
        publisher.send(Output(topic, b"k", b"%d" % n))
    publisher.flush()
    assert (publisher.delivered, publisher.refused) == (30_000, 0)
    assert [record.value for record in read(client, [topic])] == [b"%d" % n for n in range(30_000)]


def test_a_record_over_the_topics_limit_is_refused_by_name_and_the_others_arrive(
    client: Client, fresh_topic: FreshTopic
) -> None:
    topic = fresh_topic(1)
    publisher = Publisher(client)
    large = random.Random(1).randbytes(2_000_000)
    with pytest.raises(EncodeError, match=rf"larger than {topic} takes") as raised:
        for value in (b"before", large, b"after"):
            publisher.send(Output(topic, b"k", value))
        publisher.flush()
    assert (raised.value.cause, raised.value.stage) == (Cause.OUTPUT_TOO_LARGE, Stage.PRODUCE)
    publisher.flush()
    assert (publisher.delivered, publisher.refused) == (2, 1)
    assert [record.value for record in read(client, [topic])] == [b"before", b"after"]


def test_a_record_of_2_mb_passes_where_the_topic_takes_it(client: Client, fresh_topic: FreshTopic) -> None:
    topic = fresh_topic(1, max_message_bytes=4 << 20)
    large = random.Random(1).randbytes(2_000_000)
    with Publisher(client) as publisher:
        publisher.send(Output(topic, b"k", large))
    assert [record.value for record in read(client, [topic])] == [large]


def test_a_topic_that_does_not_exist_is_one_line(client: Client) -> None:
    with pytest.raises(UsageError, match="a topic does not exist while publishing to nowhere"), Publisher(client) as p:
        p.send(Output("nowhere", None, b"x"))


def test_an_unreachable_cluster_ends_the_wait_with_one_line() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, timeout=1)
    publisher.send(Output("a", None, b"x"))
    with pytest.raises(UnavailableError, match=r"^Kafka at 127\.0\.0\.1:1 failed while publishing"):
        publisher.flush()
    publisher.close()
