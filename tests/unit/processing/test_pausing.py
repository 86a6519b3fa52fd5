"""An enrichment whose records die is paused once, and goes on by itself or when a person says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from pipeline.deadletters.guard import GuardPolicy
from pipeline.errors import UnavailableError
from pipeline.pausing import Pausing, Resumed


class Engine:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.resumed = asyncio.Event()

    def pause(self, reason: str) -> None:
        self.told.append(reason)

    def resume(self, at_once: int = 0) -> None:
        self.told.append(f"resume with {at_once}" if at_once else "resume")
        self.resumed.set()


REASON = "2 dead letters in a row have the fingerprint f1"


def _nobody(_: datetime, stop: threading.Event) -> Iterator[str]:
    stop.wait()
    yield from ()


def _paused(resumed: Resumed, after: timedelta = timedelta(hours=1)) -> tuple[Engine, Engine, Pausing]:
    one, other = Engine(), Engine()
    pausing = Pausing({"tickets": one, "claims": other}, GuardPolicy(0.5, 100, 2), after, resumed)
    for _ in range(2):
        pausing.record("tickets", "f1")
    return one, other, pausing


async def test_it_goes_on_by_itself_after_a_while() -> None:
    engine, other, _ = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    assert engine.told == [REASON, "resume with 10"]
    assert other.told == []


async def test_when_a_record_comes_out_it_goes_on_as_before() -> None:
    engine, _, pausing = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    pausing.record("tickets", "f2")
    assert engine.told == [REASON, "resume with 10"]
    assert pausing.reasons == {"tickets": REASON}
    pausing.record("tickets", None)
    assert engine.told == [REASON, "resume with 10", "resume"]
    assert pausing.reasons == {}
    pausing.record("tickets", None)
    assert engine.told == [REASON, "resume with 10", "resume"]


async def test_when_the_first_records_die_too_it_is_paused_again_before_many_have() -> None:
    engine, _, pausing = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    for number in range(10):
        assert engine.told == [REASON, "resume with 10"]
        pausing.record("tickets", f"f{number}")
    assert engine.told[2:] == ["the first 10 records after a pause became dead letters, too"]


async def test_a_pause_while_it_tries_is_one_like_any_other() -> None:
    """Records were still in flight: one of them comes out, and is no news."""
    engine, _, pausing = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    engine.resumed.clear()
    for _ in range(2):
        pausing.record("tickets", "f1")
    assert engine.told[2:] == [REASON]
    pausing.record("tickets", None)
    assert (engine.told[2:], pausing.reasons) == ([REASON], {"tickets": REASON})
    await engine.resumed.wait()
    assert engine.told[2:] == [REASON, "resume with 10"]
    pausing.record("tickets", None)
    assert (engine.told[4:], pausing.reasons) == (["resume"], {})


async def test_when_it_was_resumed_a_record_that_comes_out_is_no_news() -> None:
    engine, _, pausing = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    pausing.resume("tickets")
    pausing.record("tickets", None)
    pausing.resume("tickets")
    assert (engine.told[2:], pausing.reasons) == (["resume"], {})


async def test_who_says_that_it_is_mended_is_believed() -> None:
    engine, _, pausing = _paused(_nobody, timedelta())
    await engine.resumed.wait()
    pausing.resume("tickets")
    assert engine.told == [REASON, "resume with 10", "resume"]
    pausing.resume("tickets")
    assert engine.told == [REASON, "resume with 10", "resume"]


async def test_it_goes_on_when_a_person_says_so() -> None:
    said = threading.Event()

    def people(_: datetime, stop: threading.Event) -> Iterator[str]:
        said.wait()
        yield "claims"
        yield "tickets"
        stop.wait()

    engine, other, _ = _paused(people)
    assert engine.told == [REASON]
    said.set()
    await engine.resumed.wait()
    assert (engine.told, other.told) == ([REASON, "resume"], [])


async def test_a_cluster_that_is_away_leaves_the_automatic_way() -> None:
    def away(_: datetime, stop: threading.Event) -> Iterator[str]:
        raise UnavailableError("away")

    engine, _, pausing = _paused(away)
    pausing.resume("tickets")
    assert engine.told == [REASON, "resume"]
