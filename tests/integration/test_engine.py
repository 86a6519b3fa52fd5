"""The engine on a real broker: what a user would miss."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from pipeline.errors import PipelineError, UnavailableError, UsageError
from pipeline.stream.engine import Engine, EngineState
from pipeline.stream.kafka import Consumer, Producer, TopicPartition
from pipeline.stream.record import Output, Record
from tests.integration.engine_harness import (
    QUICK,
    Copier,
    exact,
    numbered,
    publish,
    publish_with_headers,
    stream,
    values,
    visible,
    working,
)

Client = Mapping[str, str]
FreshTopic = Callable[..., str]


async def a_moment(_: Record) -> None:
    await asyncio.sleep(random.expovariate(1 / 0.005))


async def test_every_record_comes_out_once_and_each_key_in_order(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(4), fresh_topic(4)
    publish(client, source, numbered(3000, 60))
    async with working(client, Copier(target, step=a_moment), source, fresh_group) as worker:
        await worker.committed(3000)
        status = worker.engine.status()
    assert (status.partitions, status.outputs_committed, status.aborted) == (4, 3000, 0)
    exact(client, target, 3000)


async def test_keys_values_and_headers_travel_as_they_are(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(), fresh_topic()
    headers = (("traceparent", b"00-ab-cd-01"), ("twice", b"1"), ("twice", b"\xff\x00"), ("empty", b""), ("none", None))
    sent = [(b"k", b"v", headers), (None, b"no key", ()), (b"", b"", ()), (b"tombstone", None, ())]
    publish_with_headers(client, source, sent)
    async with working(client, Copier(target), source, fresh_group) as worker:
        await worker.committed(4)
    found = [(record.key, record.value, record.headers) for record in visible(client, target, 4)]
    assert sorted(found, key=repr) == sorted(sent, key=repr)


async def test_a_record_whose_code_fails_becomes_a_dead_letter_and_the_rest_flows(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target, graveyard = fresh_topic(2), fresh_topic(2), fresh_topic()

    async def step(record: Record) -> None:
        if record.value == b"7":
            raise ZeroDivisionError("seven")
        if record.value == b"8":
            raise asyncio.CancelledError

    publish(client, source, numbered(20, 5))
    async with working(client, Copier(target, graveyard, step), source, fresh_group) as worker:
        await worker.committed(20)
    assert sorted(values(client, graveyard, 2)) == [b"7", b"8"]
    assert sorted(map(int, values(client, target, 18))) == [n for n in range(20) if n not in (7, 8)]


async def test_a_record_without_outputs_is_committed(client: Client, fresh_topic: FreshTopic, fresh_group: str) -> None:
    source = fresh_topic()
    publish(client, source, numbered(5, 1))
    async with working(client, Copier("", outputs=lambda _: ()), source, fresh_group) as worker:
        await worker.committed(5)
    async with working(client, again := Copier(""), source, fresh_group) as worker:
        await worker.idle()
    assert not again.calls


@pytest.mark.parametrize("limit", ["the client's", "the topic's"])
async def test_an_output_that_is_too_large_is_replaced_and_the_rest_flows(
    client: Client, fresh_topic: FreshTopic, fresh_group: str, limit: str
) -> None:
    source, graveyard = fresh_topic(2), fresh_topic()
    target = fresh_topic(2, max_message_bytes=20_000) if limit == "the topic's" else fresh_topic(2)
    large = b"x" * (30_000 if limit == "the topic's" else 2_000_000)

    def outputs(record: Record) -> tuple[Output, ...]:
        grows = record.value in (b"11", b"55", b"56")
        return (Output(target, record.key, large if grows else record.value),)

    publish(client, source, numbered(100, 10))
    async with working(client, Copier(target, graveyard, outputs=outputs), source, fresh_group) as worker:
        await worker.committed(100)
        assert worker.engine.status().outputs_committed == 100
    assert sorted(values(client, graveyard, 3)) == [b"11", b"55", b"56"]
    assert sorted(map(int, values(client, target, 97))) == [n for n in range(100) if n not in (11, 55, 56)]


async def test_a_record_that_no_topic_takes_in_any_form_stops_the_engine_uncommitted(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(), fresh_topic(max_message_bytes=5_000)
    publish(client, source, [(b"k", random.randbytes(10_000))])
    with pytest.raises(UnavailableError, match=rf"{source}\[0\] offset 0: Kafka takes neither .* {target}\)"):
        async with working(client, Copier(target, target), source, fresh_group) as worker:
            await worker.committed(1)
    async with working(client, again := Copier(fresh_topic()), source, fresh_group) as worker:
        await worker.committed(1)
    assert again.calls == {(0, 0): 1}


async def test_a_stop_lets_what_runs_end_and_a_restart_goes_on_from_there(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(3), fresh_topic(3)
    copier = Copier(target, step=a_moment)
    publish(client, source, numbered(3000, 100))
    few = replace(QUICK, concurrency=50)
    for wanted in (300, 300, 0):
        async with working(client, copier, source, fresh_group, policy=few) as worker:
            await (worker.committed(wanted) if wanted else worker.idle())
    exact(client, target, 3000)
    assert set(copier.calls.values()) == {1}


async def test_a_topic_without_records_is_idle(client: Client, fresh_topic: FreshTopic, fresh_group: str) -> None:
    async with working(client, Copier(""), fresh_topic(3), fresh_group) as worker:
        await worker.idle()
        status = worker.engine.status()
        assert (status.state, status.partitions, status.lag) == (EngineState.RUNNING, 3, 0)
    assert worker.engine.status().state is EngineState.STOPPED


async def test_a_slow_key_holds_only_itself_and_what_passed_it_is_not_done_again(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(), fresh_topic()
    stuck = asyncio.Event()

    async def step(record: Record) -> None:
        if record.key == b"key-0":
            await stuck.wait()

    publish(client, source, numbered(2000, 20))
    impatient = replace(QUICK, grace=timedelta(0))
    async with working(client, first := Copier(target, step=step), source, fresh_group, policy=impatient) as worker:
        await worker.committed(1900)
        status = worker.engine.status()
        assert (status.in_flight, status.waiting) == (1, 99)
        assert status.oldest_waiting_s > 0
    assert worker.engine.status().repeated == 1
    assert sum(first.calls.values()) == 1901
    stuck.set()
    async with working(client, second := Copier(target, step=step), source, fresh_group) as worker:
        await worker.committed(100)
        await worker.idle()
    assert sum(second.calls.values()) == 100
    exact(client, target, 2000)


async def test_while_paused_nothing_new_starts_and_the_worker_stays_a_member(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(), fresh_topic()
    copier = Copier(target)
    async with working(client, copier, source, fresh_group) as worker:
        await worker.idle()
        worker.engine.pause("too many dead letters")
        publish(client, source, numbered(10, 2))
        await worker.watcher.until(lambda: worker.engine.status().state is EngineState.PAUSED)
        assert worker.engine.status().paused_reason == "too many dead letters"
        with pytest.raises(TimeoutError):
            await worker.committed(1, within=0.5)
        assert not copier.calls
        worker.engine.resume()
        await worker.committed(10)


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
async def test_a_worker_that_joins_and_leaves_costs_no_repeated_call(
    client: Client, fresh_topic: FreshTopic, fresh_group: str, protocol: Literal["consumer", "classic"]
) -> None:
    source, target = fresh_topic(6), fresh_topic(6)
    policy = replace(QUICK, group_protocol=protocol, session_timeout=timedelta(seconds=2))

    async def step(_: Record) -> None:
        await asyncio.sleep(random.expovariate(1 / 0.2))

    one, two = Copier(target, step=step), Copier(target, step=step)
    async with working(client, one, source, fresh_group, policy=policy) as first:
        async with stream(client, source, keys=300, pause=0.002) as published:
            await first.committed(100)
            async with working(client, two, source, fresh_group, policy=policy, slot=1) as second:
                await second.committed(100)
                assert (first.engine.status().partitions, second.engine.status().partitions) == (3, 3)
            left = published[0]
            await first.watcher.until(lambda: first.engine.status().partitions == 6 and published[0] > left + 100)
        await first.idle()
        await first.watcher.until(lambda: sum((one.calls + two.calls).values()) == published[0])
    exact(client, target, published[0])
    assert set((one.calls + two.calls).values()) == {1}
    assert first.watcher.moved


async def test_a_record_that_waits_longer_than_the_session_keeps_its_worker_in_the_group(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(), fresh_topic()
    publish(client, source, numbered(30, 3))
    outage = asyncio.Event()

    async def step(_: Record) -> None:
        await outage.wait()

    policy = replace(QUICK, group_protocol="classic", session_timeout=timedelta(seconds=1))
    async with working(client, copier := Copier(target, step=step), source, fresh_group, policy=policy) as worker:
        await worker.watcher.until(lambda: worker.engine.status().in_flight == 3)
        with pytest.raises(TimeoutError):
            await worker.committed(1, within=3.0)
        outage.set()
        await worker.committed(30)
        assert not worker.watcher.lost_partitions
    assert set(copier.calls.values()) == {1}


async def test_a_worker_that_vanishes_without_a_word_loses_and_repeats_nothing(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(3), fresh_topic(3)
    publish(client, source, numbered(2000, 50))
    copier = Copier(target, step=a_moment)
    async with working(client, copier, source, fresh_group) as worker:
        await worker.committed(300)
        worker.run.cancel()
        await asyncio.wait({worker.run})
    async with working(client, copier, source, fresh_group) as worker:
        await worker.idle()
    exact(client, target, 2000)


async def test_a_producer_fenced_by_another_one_is_built_again(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(2), fresh_topic(2)
    async with working(client, Copier(target), source, fresh_group) as worker:
        publish(client, source, numbered(100, 10))
        await worker.committed(100)
        usurper = Producer({**client, "transactional.id": f"{fresh_group}.0"})
        await asyncio.to_thread(usurper.init_transactions, 10)
        publish(client, source, [(b"key-%d" % (n % 10), b"%d" % n) for n in range(100, 200)])
        await worker.committed(200)
        assert worker.engine.status().rebuilds == 1
    exact(client, target, 200)


async def test_a_partition_with_an_open_foreign_transaction_waits_alone(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    source, target = fresh_topic(2), fresh_topic()
    for partition in range(2):
        producer = Producer(dict(client))
        for n in range(50):
            producer.produce(source, b"%d" % (50 * partition + n), b"k", partition=partition)
        producer.flush()
    await asyncio.to_thread(_leave_a_transaction_open, client, source, fresh_group)
    async with working(client, Copier(target), source, fresh_group) as worker:
        await worker.committed(50)
        status = worker.engine.status()
        assert (status.partitions, status.resolving, status.idle_since) == (1, 1, None)
        await worker.committed(100)
        assert worker.watcher.waited[source, 0] > timedelta(seconds=1)
    assert sorted(map(int, values(client, target, 100))) == list(range(100))


def _leave_a_transaction_open(client: Client, topic: str, group: str) -> None:
    """A worker that commits partition 0 inside a transaction and is frozen before its end."""
    consumer = Consumer({**client, "group.id": group, "group.protocol": "consumer", "enable.auto.commit": False})
    consumer.subscribe([topic])
    while len(consumer.assignment()) < 2:
        consumer.poll(0.1)
    producer = Producer({**client, "transactional.id": f"{group}.frozen", "transaction.timeout.ms": 4000})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 10)], consumer.consumer_group_metadata(), 10)
    consumer.close()


async def test_a_processor_that_breaks_its_contract_stops_the_engine_before_a_record_is_lost(
    client: Client, fresh_topic: FreshTopic, fresh_group: str
) -> None:
    class Broken(Copier):
        def failed(self, record: Record, error: Exception) -> tuple[Output, ...]:
            raise LookupError("no key for the vault")

    async def step(record: Record) -> None:
        if record.value == b"5":
            raise ValueError

    source, target = fresh_topic(), fresh_topic()
    publish(client, source, numbered(10, 1))
    with pytest.raises(LookupError):
        async with working(client, Broken(target, step=step), source, fresh_group) as worker:
            await worker.committed(10)
    async with working(client, Copier(target), source, fresh_group) as worker:
        await worker.idle()
    exact(client, target, 10)


async def test_brokers_that_cannot_be_reached_are_named_in_one_line() -> None:
    nowhere = {"bootstrap.servers": "127.0.0.1:1"}
    policy = replace(QUICK, start_timeout=timedelta(seconds=0.5))
    engine = Engine(Copier(""), topics=["t"], group="g", transactional_id="t", client=nowhere, policy=policy)
    with pytest.raises(PipelineError, match=r"Kafka at 127\.0\.0\.1:1 .*") as caught:
        await engine.run()
    assert "\n" not in str(caught.value)


async def test_a_missing_topic_says_how_to_make_it(client: Client, fresh_group: str) -> None:
    engine = Engine(Copier(""), topics=["test-nowhere"], group=fresh_group, transactional_id="t", client=client)
    with pytest.raises(PipelineError, match="pipeline topics apply"):
        await engine.run()


async def test_a_setting_the_client_library_does_not_know_is_refused(client: Client, fresh_group: str) -> None:
    wrong = {**client, "no.such.setting": "1"}
    engine = Engine(Copier(""), topics=["t"], group=fresh_group, transactional_id="t", client=wrong)
    with pytest.raises(UsageError, match=r"no\.such\.setting"):
        await engine.run()


async def test_several_engines_share_one_event_loop(client: Client, fresh_topic: FreshTopic, fresh_group: str) -> None:
    targets = [fresh_topic(2) for _ in range(3)]
    sources = [fresh_topic(2) for _ in range(3)]
    for source in sources:
        publish(client, source, numbered(200, 10))

    async def one(source: str, target: str, number: int) -> None:
        async with working(client, Copier(target), source, f"{fresh_group}.{number}") as worker:
            await worker.committed(200)

    async with asyncio.TaskGroup() as group:
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            group.create_task(one(source, target, number))
    for target in targets:
        exact(client, target, 200)
