"""What `pipeline topics` and operators rely on: topics are compared and created, never changed behind one's back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

import pytest
from pipeline.errors import UnavailableError, UsageError
from pipeline.stream.admin import Admin, Difference, Grant, Lag, Right, Thing, Topic
from pipeline.stream.kafka import Consumer, Producer, TopicPartition
from tests.conftest import FreshTopic


@pytest.fixture
def admin(client: Mapping[str, str]) -> Admin:
    return Admin(client)


def test_a_topic_is_created_as_wanted_and_compares_equal_afterwards(admin: Admin) -> None:
    wanted = Topic(_name(), 3, 1, {"retention.ms": "60000", "cleanup.policy": "compact"})
    assert admin.compare([wanted]) == [Difference(wanted.name, "topic", "exists", None)]
    assert admin.create([wanted]) == [wanted.name]
    assert admin.compare([wanted]) == []
    assert admin.topics([wanted.name])[wanted.name].partitions == 3


def test_every_difference_is_named_and_creating_again_changes_nothing(admin: Admin) -> None:
    name = _name()
    admin.create([Topic(name, 2, 1, {"retention.ms": "60000"})])
    other = Topic(name, 4, 3, {"retention.ms": "70000"})
    assert admin.create([other]) == []
    assert admin.compare([other]) == [
        Difference(name, "partitions", "4", "2"),
        Difference(name, "replication", "3", "1"),
        Difference(name, "retention.ms", "70000", "60000"),
    ]


def test_one_setting_is_changed_and_its_neighbours_stay(admin: Admin) -> None:
    name = _name()
    admin.create([Topic(name, 1, 1, {"retention.ms": "60000", "max.message.bytes": "5000"})])
    admin.configure(name, {"retention.ms": "70000"})
    wanted = [Topic(name, 1, 1, {"retention.ms": "70000", "max.message.bytes": "5000"})]
    # The controller has it at once, the broker that is asked a moment later.
    deadline = time.monotonic() + 10
    while (found := admin.compare(wanted)) and time.monotonic() < deadline:
        pass
    assert found == []


def test_lag_tells_what_a_group_has_not_committed_yet(
    admin: Admin, client: Mapping[str, str], fresh_topic: FreshTopic, fresh_group: str
) -> None:
    topic = fresh_topic(2)
    producer = Producer(dict(client))
    for _ in range(5):
        producer.produce(topic, b"x", partition=0)
    producer.flush()
    consumer = Consumer({**client, "group.id": fresh_group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    consumer.close()
    assert admin.lag(fresh_group, [topic]) == [Lag(topic, 0, 3, 5), Lag(topic, 1, None, 0)]
    assert [lag.records for lag in admin.lag(fresh_group, [topic])] == [2, 0]


def test_the_end_for_a_reader_is_before_an_open_transaction(
    admin: Admin, client: Mapping[str, str], fresh_topic: FreshTopic
) -> None:
    topic = fresh_topic(1)
    producer = Producer({**client, "transactional.id": _name()})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"x")
    producer.flush()
    assert admin.ends([topic]) == {(topic, 0): 0}
    producer.commit_transaction()
    # The marker is written after the commit was acknowledged.
    while admin.ends([topic]) != {(topic, 0): 2}:
        assert admin.ends([topic])[topic, 0] in (0, 2)


def test_an_unreachable_cluster_is_one_line_that_names_it() -> None:
    with pytest.raises(UnavailableError, match=r"^Kafka at 127\.0\.0\.1:1 failed while looking at the cluster"):
        Admin({"bootstrap.servers": "127.0.0.1:1"}, timeout=1).brokers()


def test_an_unknown_address_is_a_setting_to_mend() -> None:
    with pytest.raises(UsageError, match=r"is not known: check kafka\.bootstrap_servers"):
        Admin({"bootstrap.servers": "nowhere.invalid:9092"}, timeout=2).brokers()


def test_rights_on_a_cluster_without_an_authorizer_are_refused_in_one_line(admin: Admin) -> None:
    with pytest.raises(UnavailableError, match="SECURITY_DISABLED"):
        admin.allow([Grant("someone", Right.READ, Thing.TOPIC, "a")])


def _name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"
