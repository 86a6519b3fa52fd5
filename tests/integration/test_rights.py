"""With SASL and ACLs each user does what was granted, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest
from pipeline.devstack.stack import Stack
from pipeline.errors import UsageError
from pipeline.stream.admin import Admin, Grant, Right, Thing, Topic
from pipeline.stream.kafka import Consumer, KafkaError, KafkaException, Producer
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output


@pytest.fixture
def admin(sasl_stack: Stack) -> Admin:
    return Admin(sasl_stack.kafka.client())


@pytest.fixture
def topic(admin: Admin) -> str:
    name = f"test-{uuid.uuid4().hex[:12]}"
    admin.create([Topic(name, 1, 1)])
    return name


def test_a_granted_user_publishes_and_reads_and_another_may_not(sasl_stack: Stack, admin: Admin, topic: str) -> None:
    writer, reader, other = (_user(sasl_stack, admin) for _ in range(3))
    admin.allow(
        [
            Grant(writer["sasl.username"], Right.WRITE, Thing.TOPIC, topic),
            Grant(reader["sasl.username"], Right.READ, Thing.TOPIC, topic),
        ]
    )
    with Publisher(writer) as publisher:
        publisher.send(Output(topic, None, b"x"))
    assert [record.value for record in read(reader, [topic])] == [b"x"]
    with pytest.raises(UsageError, match=rf"does not allow user {other['sasl.username']} .* while reading {topic}"):
        list(read(other, [topic]))
    with pytest.raises(UsageError, match=r"does not allow user .* while publishing to"), Publisher(reader) as publisher:
        publisher.send(Output(topic, None, b"x"))


def test_a_worker_needs_topic_group_and_transactional_id_and_no_more(
    sasl_stack: Stack, admin: Admin, topic: str
) -> None:
    worker = _user(sasl_stack, admin)
    name = worker["sasl.username"]
    granted = [
        Grant(name, Right.READ, Thing.TOPIC, topic),
        Grant(name, Right.WRITE, Thing.TOPIC, topic),
        Grant(name, Right.READ, Thing.GROUP, name),
        Grant(name, Right.WRITE, Thing.TRANSACTIONAL_ID, f"{name}-", prefix=True),
    ]
    admin.allow(granted)
    admin.allow(granted)
    assert {grant for grant in admin.grants() if grant.user == name} == set(granted)

    consumer = Consumer({**worker, "group.id": name, "group.protocol": "consumer", "auto.offset.reset": "earliest"})
    producer = Producer({**worker, "transactional.id": f"{name}-0"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"x")
    producer.commit_transaction()
    consumer.subscribe([topic])
    message = consumer.poll(20)
    assert message is not None
    assert message.value() == b"x"
    producer.begin_transaction()
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    producer.commit_transaction()
    consumer.close()

    with pytest.raises(KafkaException) as refused:
        Producer({**worker, "transactional.id": "another", "log_level": 0}).init_transactions()
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_a_wrong_password_is_a_setting_to_mend(sasl_stack: Stack) -> None:
    wrong = {**sasl_stack.kafka.client(), "sasl.password": "wrong"}
    with pytest.raises(UsageError, match="does not let user admin in: check the sasl settings"):
        Admin(wrong).brokers()
    with pytest.raises(UsageError, match="does not let user admin in: check the sasl settings"):
        list(read(wrong, ["a"]))


def _user(stack: Stack, admin: Admin) -> Mapping[str, str]:
    """A user without any right: settings of its client."""
    name, password = f"user-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    admin.set_password(name, password)
    return {**stack.kafka.client(), "sasl.username": name, "sasl.password": password}
