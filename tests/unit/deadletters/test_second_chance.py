"""Who gets a second chance, when, and that each is taken once, whenever a worker dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pipeline.catalogue import Enrichment, SecondChanceSpec
from pipeline.deadletters.history import EVENT_ID, NEXT_TRY, RETURN, history_of, return_of, sent_again
from pipeline.deadletters.index import Coordinates
from pipeline.deadletters.ledgers import IMPORTED_AS, STATUS_TOPIC
from pipeline.deadletters.noted import Noted
from pipeline.deadletters.second_chance import ChancePolicy
from pipeline.deadletters.trying import Codecs, SecondChances
from pipeline.errors import HEALED_BY_TIME, Cause, RefusalError
from pipeline.serde import Decoded
from pipeline.stream.record import Output, Record
from pydantic import ValidationError
from tests.unit.deadletters.letters import DEAD, KEYRING, NOW, RECORD, letter, tickets

MINUTE = timedelta(minutes=1)
SPEC = SecondChanceSpec(causes=(Cause.REFUSED,), delays=(MINUTE, 10 * MINUTE))
REFUSED = RefusalError("it declined")


@given(st.sampled_from(Cause), st.integers(-3, 20), st.lists(st.timedeltas(MINUTE, 60 * MINUTE), max_size=10))
def test_it_is_due_so_long_after_its_death_and_as_often_as_there_are_delays(
    cause: Cause, tries: int, delays: list[timedelta]
) -> None:
    due = ChancePolicy(HEALED_BY_TIME, tuple(delays)).next_try(cause, tries, NOW)
    if cause in HEALED_BY_TIME and 0 <= tries < len(delays):
        assert due == NOW + delays[tries]
    else:
        assert due is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"causes": ["leak"], "delays": ["1m"]}, "time does not heal leak"),
        ({"causes": ["providers_out"], "delays": ["1m"]}, "time does not heal providers_out"),
        ({"causes": ["refused"], "delays": []}, "at least 1 item"),
        ({"causes": ["refused"], "delays": ["soon"]}, "delays"),
        ({"causes": ["refused"], "delays": ["8d"]}, "a delay is from 1s to 7d"),
        ({"causes": ["refused"], "delays": ["0s"]}, "a delay is from 1s to 7d"),
        ({"causes": ["refused"], "delays": ["1m"], "order": "hold"}, "`hold` is not offered"),
    ],
)
def test_what_cannot_be_kept_is_refused(said: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SecondChanceSpec.model_validate(said)
    assert told in str(caught.value)


def test_delays_are_written_as_people_write_them() -> None:
    spec = SecondChanceSpec.model_validate({"causes": ["refused"], "delays": ["90s", "10m", "1h", "P1D"]})
    assert spec.delays == (timedelta(seconds=90), timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))


# ---- what is written on the record


def _replay(at: datetime = NOW) -> dict[str, object]:
    return {"replay_id": "r1", "at": at, "by": "second chance", "why": "try 1 of 2"}


def test_where_a_record_first_stood_is_kept_however_often_it_is_sent_again() -> None:
    first = letter(REFUSED)
    headers = tuple(sent_again(first.envelope, _replay(), 1, KEYRING))
    back = replace(RECORD, offset=99, headers=headers)
    found = return_of(back, "E-1", KEYRING)
    assert found is not None
    assert (found.first_offset, found.tries, found.died_at) == (17, 1, NOW)
    assert history_of(back).replays == [_replay()]
    again = {**letter(record=back).envelope, "first_offset": found.first_offset}
    once_more = replace(
        back, offset=120, headers=tuple(sent_again(again, {**_replay(), "replay_id": "r2"}, 2, KEYRING))
    )
    found = return_of(once_more, "E-1", KEYRING)
    assert found is not None
    assert (found.first_offset, found.tries) == (17, 2)
    assert sorted(name for name, _ in once_more.headers) == sorted({name for name, _ in once_more.headers})


def test_no_publisher_can_say_that_its_record_came_back() -> None:
    headers = dict(sent_again(letter(REFUSED).envelope, _replay(), 1, KEYRING))
    for forged in (
        replace(RECORD, headers=((RETURN, b"[0, 1, 0]"),)),
        replace(RECORD, headers=((RETURN, headers[RETURN]),)),
    ):
        assert return_of(forged, "E-1", KEYRING) is None
    assert return_of(replace(RECORD, headers=tuple(headers.items())), "E-2", KEYRING) is None


# ---- sending it, in virtual time


class Time:
    """Stands still until it is moved; whoever sleeps is woken then."""

    def __init__(self) -> None:
        self.now = NOW
        self.sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + timedelta(seconds=seconds), woken))
        await woken

    async def move(self, by: timedelta) -> None:
        end = self.now + by
        while due := sorted(((at, woken) for at, woken in self.sleepers if at <= end), key=lambda one: one[0]):
            at, woken = due[0]
            self.sleepers.remove((at, woken))
            self.now = max(self.now, at)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.now = end


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Letters:
    """A decoder of dead letters that are told by their offset, and a codec of notes that shows what it was given."""

    def __init__(self) -> None:
        self.envelopes: dict[bytes, dict[str, object]] = {}
        self.notes: list[dict[str, object]] = []

    async def decode(self, data: bytes) -> Decoded:
        return Decoded(self.envelopes[data], 1)

    def ready(self, data: bytes) -> bool:
        return True

    def encode(self, record: object) -> bytes:
        self.notes.append(cast(dict[str, object], record))
        return str(cast(dict[str, object], record)["status"]).encode()

    def put(self, offset: int, due: datetime | None, **fields: object) -> Record:
        told = letter(REFUSED, offset=offset).envelope
        value = str(offset).encode()
        self.envelopes[value] = {**told, "next_try_at": due, **fields}
        return Record(DEAD, 2, offset, 0, b"T-1", value, ((EVENT_ID, b"E-1"), (NEXT_TRY, b"")))


def _none_noted(_: Mapping[Coordinates, str]) -> set[Coordinates]:
    return set()


def chances(
    letters: Letters, time: Time, spec: SecondChanceSpec | None = SPEC, noted: Noted | None = None
) -> SecondChances:
    known = tickets()
    enrichment: Enrichment = replace(known, spec=known.spec.model_copy(update={"second_chance": spec}))
    return SecondChances(
        enrichment, Codecs(letters, letters), KEYRING, noted or Noted(_none_noted), lambda: time.now, time.sleep
    )


def _run(spec: SecondChanceSpec | None, due: datetime | None, after: timedelta, **fields: object) -> Sequence[Output]:
    async def go() -> Sequence[Output]:
        letters, time = Letters(), Time()
        processor = chances(letters, time, spec)
        task = asyncio.create_task(processor.process(letters.put(5, due, **fields)))
        await settle()
        await time.move(after)
        await settle()
        assert task.done()
        assert not processor.waiting.due
        return await task

    return asyncio.run(go())


def test_the_record_goes_where_it_stood_with_a_note_of_it() -> None:
    record, note = _run(SPEC, NOW + MINUTE, MINUTE)
    assert (record.topic, record.partition, record.key, record.value) == (
        RECORD.topic,
        RECORD.partition,
        RECORD.key,
        RECORD.value,
    )
    assert (note.topic, note.value, note.key) == (STATUS_TOPIC, b"REPLAYED", f"{DEAD}/2/5".encode())


def test_a_dead_letter_that_is_not_tried_again_takes_no_time() -> None:
    assert _run(SPEC, None, timedelta(0)) == ()


def test_that_of_another_enrichment_or_cluster_is_left_alone() -> None:
    assert _run(SPEC, NOW, timedelta(0), enrichment="claims") == ()

    async def imported() -> Sequence[Output]:
        letters = Letters()
        record = letters.put(5, NOW)
        return await chances(letters, Time()).process(
            replace(record, headers=(*record.headers, (IMPORTED_AS, b"x/1/2")))
        )

    assert asyncio.run(imported()) == ()


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (SPEC.model_copy(update={"causes": ()}), {}),
        (SPEC, {"original": b"sealed by nobody"}),
        (SPEC, {"original": None}),
    ],
)
def test_what_cannot_be_sent_when_it_is_due_waits_for_a_person(
    spec: SecondChanceSpec, fields: dict[str, object]
) -> None:
    (note,) = _run(spec, NOW + MINUTE, MINUTE, **fields)
    assert (note.topic, note.value) == (STATUS_TOPIC, b"OPENED")


@pytest.mark.parametrize(("begun", "sent"), [({2}, 1), ({3}, 3)])
def test_what_has_a_note_is_not_sent_again_when_the_group_lost_its_offsets(begun: set[int], sent: int) -> None:
    """Partition 2 is theirs. Two of three have a note; the one that died long after it began needs no look."""
    looks: list[Mapping[Coordinates, str]] = []

    def scan(wanted: Mapping[Coordinates, str]) -> set[Coordinates]:
        looks.append(wanted)
        return {Coordinates(DEAD, 2, 5), Coordinates(DEAD, 2, 6)}

    async def go() -> list[Sequence[Output]]:
        letters, time = Letters(), Time()
        noted = Noted(scan, lambda: NOW)
        processor = chances(letters, time, noted=noted)
        noted.begun(begun)
        later = replace(letters.put(7, NOW), timestamp_ms=int((NOW + MINUTE * 10).timestamp() * 1000))
        return await asyncio.gather(*map(processor.process, [letters.put(5, NOW), letters.put(6, NOW), later]))

    outputs = asyncio.run(go())
    assert len([one for one in outputs if one]) == sent
    assert outputs[2]
    # One look for both, none where the offset says it.
    asked = {Coordinates(DEAD, 2, 5): "E-1", Coordinates(DEAD, 2, 6): "E-1"}
    assert looks == ([asked] if 2 in begun else [])


class Tries(RuleBasedStateMachine):
    """Dead letters come, time passes, workers are killed before and after their commits: what is committed is right."""

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.letters, self.time = Letters(), Time()
        self.topic: list[Record] = []
        self.due: dict[int, datetime] = {}
        self.committed: dict[int, Sequence[Output]] = {}
        self.sent_at: dict[int, datetime] = {}
        self.finished: dict[int, Sequence[Output]] = {}
        self._worker()

    def _worker(self) -> None:
        """One that reads what is not committed."""
        self.processor = chances(self.letters, self.time)
        self.tasks = {
            record.offset: self.loop.create_task(self.processor.process(record))
            for record in self.topic
            if record.offset not in self.committed
        }
        self.loop.run_until_complete(settle())

    @rule(after=st.integers(0, 300))
    def die(self, after: int) -> None:
        offset = len(self.topic)
        self.due[offset] = self.time.now + timedelta(seconds=after)
        record = self.letters.put(offset, self.due[offset])
        self.topic.append(record)
        self.tasks[offset] = self.loop.create_task(self.processor.process(record))
        self.loop.run_until_complete(settle())

    @rule(seconds=st.integers(1, 200))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.time.move(timedelta(seconds=seconds)))

    @rule()
    def commit(self) -> None:
        for offset in [offset for offset, task in self.tasks.items() if task.done()]:
            assert offset not in self.committed
            self.committed[offset] = self.tasks.pop(offset).result()
            self.sent_at[offset] = self.time.now

    @rule()
    def kill(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.loop.run_until_complete(settle())
        self.time.sleepers.clear()
        self._worker()

    @invariant()
    def none_is_sent_early(self) -> None:
        assert all(at >= self.due[offset] for offset, at in getattr(self, "sent_at", {}).items())

    @invariant()
    def those_that_are_not_finished_wait_here(self) -> None:
        if hasattr(self, "tasks"):
            waits = {f"{DEAD}/2/{offset}" for offset, task in self.tasks.items() if not task.done()}
            assert self.processor.waiting.due.keys() == waits
            assert all(self.due[offset] > self.time.now for offset, task in self.tasks.items() if not task.done())

    def teardown(self) -> None:
        """In the end each was sent once."""
        if not hasattr(self, "loop"):
            return
        self.loop.run_until_complete(self.time.move(timedelta(hours=1)))
        self.commit()
        assert self.committed.keys() == {record.offset for record in self.topic}
        notes = Counter(outputs[1].key for outputs in self.committed.values())
        assert set(notes.values()) <= {1}
        self.loop.close()


Tries.TestCase.settings = hypothesis_settings(max_examples=30, stateful_step_count=20, deadline=None)
TestTries = Tries.TestCase
