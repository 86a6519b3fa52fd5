"""What overtakes a record: what this worker finished and what the output topic holds, looked for once for many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.deadletters.newer import Newer, Stood
from pipeline.errors import UnavailableError
from tests.unit.deadletters.letters import NOW

ONE = Stood(3, b"T-1", "acme", "T-1", 17)


def _nothing(_: Mapping[Stood, datetime]) -> set[Stood]:
    return set()


def _overtaken(newer: Newer, one: Stood = ONE) -> bool:
    return asyncio.run(newer.overtaken(one, NOW))


def test_what_was_finished_here_and_is_not_committed_yet_counts() -> None:
    newer = Newer(_nothing, 10)
    newer.enriched(replace(ONE, place=18))
    assert _overtaken(newer)
    # One that was sent again first stood before it: it is not newer.
    newer.enriched(replace(ONE, place=4))
    assert _overtaken(newer)


def test_neither_older_ones_count_nor_those_of_others() -> None:
    newer = Newer(_nothing, 10)
    for other in ({"place": 16}, {"partition": 4}, {"tenant_id": "umbrella"}, {"entity_id": "T-2"}, {"key": b"T-2"}):
        newer.enriched(replace(ONE, **{"place": 18, **other}))  # type: ignore[arg-type]
    assert not _overtaken(newer)


def test_what_could_not_be_written_does_not_count() -> None:
    newer = Newer(_nothing, 10)
    newer.enriched(replace(ONE, place=18))
    newer.unwritten(replace(ONE, place=18))
    assert not _overtaken(newer)


def test_what_was_finished_before_a_partition_came_back_does_not_count() -> None:
    newer = Newer(_nothing, 10)
    newer.enriched(replace(ONE, place=18))
    newer.forget({2})
    assert _overtaken(newer)
    newer.forget({3})
    assert not _overtaken(newer)


def test_no_more_is_remembered_than_can_be_uncommitted() -> None:
    newer = Newer(_nothing, 2)
    for key in (b"a", b"b", b"c"):
        newer.enriched(replace(ONE, key=key, place=18))
    assert not _overtaken(newer, replace(ONE, key=b"a"))
    assert _overtaken(newer, replace(ONE, key=b"b"))


def test_many_that_ask_at_a_time_are_answered_by_one_look() -> None:
    looks: list[int] = []
    may_go = threading.Event()
    looking: asyncio.Future[None]

    def scan(wanted: Mapping[Stood, datetime]) -> set[Stood]:
        looks.append(len(wanted))
        if len(looks) == 1:
            looking.get_loop().call_soon_threadsafe(looking.set_result, None)
        may_go.wait(10)
        return {one for one in wanted if one.place % 2}

    async def ask() -> list[bool]:
        nonlocal looking
        newer, looking = Newer(scan, 2), asyncio.get_running_loop().create_future()
        first = asyncio.create_task(newer.overtaken(replace(ONE, place=0), NOW))
        await looking
        others = [asyncio.create_task(newer.overtaken(replace(ONE, place=n), NOW)) for n in range(1, 6)]
        await asyncio.sleep(0)
        may_go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [False, True, False, True, False, True]
    assert looks == [1, 5]


def test_one_that_is_given_up_does_not_take_the_answer_from_the_others() -> None:
    async def ask() -> bool:
        newer = Newer(lambda wanted: set(wanted), 2)
        gone = asyncio.create_task(newer.overtaken(ONE, NOW))
        stays = asyncio.create_task(newer.overtaken(replace(ONE, place=5), NOW))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask())


def test_records_wait_while_kafka_is_away() -> None:
    answers = iter([UnavailableError("Kafka cannot be reached"), None])

    def scan(wanted: Mapping[Stood, datetime]) -> set[Stood]:
        error = next(answers)
        if error is not None:
            raise error
        return set(wanted)

    assert _overtaken(Newer(scan, 2, again=timedelta(0)))


def test_a_look_that_fails_is_a_failure_of_those_that_asked_and_of_no_other() -> None:
    looks: list[int] = []

    def scan(wanted: Mapping[Stood, datetime]) -> set[Stood]:
        looks.append(len(wanted))
        if len(looks) == 1:
            raise KeyError("source")
        return set(wanted)

    async def ask() -> list[bool | BaseException]:
        newer = Newer(scan, 2)
        asked = [newer.overtaken(replace(ONE, place=place), NOW) for place in range(3)]
        first = await asyncio.gather(*asked, return_exceptions=True)
        return [*first, await newer.overtaken(ONE, NOW)]

    *failed, after = asyncio.run(ask())
    assert [type(one) for one in failed] == [KeyError] * 3
    assert after is True


def test_a_worker_that_ends_does_not_wait_for_a_look() -> None:
    over, looked = threading.Event(), threading.Event()
    ended_first: list[bool] = []
    began: asyncio.Future[None]

    def scan(_: Mapping[Stood, datetime]) -> set[Stood]:
        began.get_loop().call_soon_threadsafe(began.set_result, None)
        ended_first.append(over.wait(10))
        looked.set()
        return set()

    async def end() -> None:
        nonlocal began
        began = asyncio.get_running_loop().create_future()
        asking = asyncio.create_task(Newer(scan, 2).overtaken(ONE, NOW))
        await began
        asking.cancel()

    asyncio.run(end())
    over.set()
    assert looked.wait(20)
    assert ended_first == [True]
