"""The index says what the topics say: in whatever order they are read, however often it is lost."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Coordinates, Edit, Index, Note, Operation
from pipeline.deadletters.index.entry import Row
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.index.grouping import Trend, trend
from pipeline.deadletters.index.tables import entry_of
from tests.unit.deadletters.letters import DEAD, NOW, row

AT = Coordinates(DEAD, 2, 5)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    found = Index(tmp_path / "index.sqlite")
    yield found
    found.close()


def _filled(index: Index, *letters: Row) -> Index:
    assert index.take(Batch(letters=list(letters), ends={(DEAD, 2): 100}, begins={(DEAD, 2): None}))
    return index


def _sent(replay: str = "r1", event: str = "E-1", status: str = "replayed") -> Batch:
    return Batch(notes=[Note(AT, event, status, replay, NOW, "kim", "")])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Filter(), True),
        (Filter(ids=["support.tickets.v1.dead-letters/2/5"]), True),
        (Filter(ids=["E-1"]), True),
        (Filter(ids=["E-2"]), False),
        (Filter(ids=["/0/5", "x/y/z", "support.tickets.v1.dead-letters/2/99999999999999999999"]), False),
        (Filter(topics=[DEAD]), True),
        (Filter(topics=["insurance.claims.v1.dead-letters"]), False),
        (Filter(causes=["leak", "undecodable"]), True),
        (Filter(causes=["leak"]), False),
        (Filter(stages=["decode"]), True),
        (Filter(stages=["validate"]), False),
        (Filter(tenants=["acme"]), True),
        (Filter(tenants=["umbrella"]), False),
        (Filter(fingerprints=["f1"]), True),
        (Filter(fingerprints=["' OR 1 --"]), False),
        (Filter(statuses=[Status.OPEN]), True),
        (Filter(statuses=[Status.REPLAYED, Status.RESOLVED]), False),
        (Filter(attempts=2), True),
        (Filter(attempts=3), False),
        (Filter(since=NOW), True),
        (Filter(since=NOW + timedelta(seconds=1)), False),
        (Filter(until=NOW), False),
        (Filter(until=NOW + timedelta(seconds=1)), True),
        (Filter(causes=["undecodable"], tenants=["umbrella"]), False),
        (Filter(causes=["undecodable"], tenants=["acme"], since=NOW, ids=["E-1"]), True),
    ],
)
def test_every_kind_of_condition_must_hold_and_any_value_of_a_kind_will_do(
    index: Index, wanted: Filter, chosen: bool
) -> None:
    _filled(index, row(tenant_id="acme", fingerprint="f1", attempts=2))
    assert bool(index.select(wanted)) is chosen
    assert sum(index.causes(wanted).values()) == chosen
    assert sum(group.count for group in index.groups(wanted, NOW)) == chosen
    assert index.stats(wanted).total == chosen


def test_a_row_comes_back_as_it_went_in(index: Index) -> None:
    one = row(cost=Decimal("0.0012345678"), attempts=3, imported_as="elsewhere/1/2", received_at=NOW)
    _filled(index, one)
    assert index.select(Filter()) == [entry_of(one)]
    assert index.select(Filter(ids=["elsewhere/1/2"])) == [entry_of(one)]


def test_the_newest_are_listed_the_newest_last(index: Index) -> None:
    _filled(index, *(row(n, failed_at=NOW + timedelta(seconds=n * 7 % 10)) for n in range(10)))
    shown = index.select(Filter(), 3)
    assert [one.failed_at for one in shown] == [NOW + timedelta(seconds=n) for n in (7, 8, 9)]


def test_offsets_and_rows_are_taken_together_and_by_one_reader(tmp_path: Path) -> None:
    first, second = Index(tmp_path / "one.sqlite"), Index(tmp_path / "one.sqlite")
    assert first.take(Batch({(DEAD, 2): None}, {(DEAD, 2): 6}, [row()]))
    assert not second.take(Batch({(DEAD, 2): None}, {(DEAD, 2): 6}, [row()]))
    assert second.positions() == {(DEAD, 2): 6}
    assert second.take(Batch({(DEAD, 2): 6}, {(DEAD, 2): 8}, [row(7)]))
    assert len(first.select(Filter())) == 2


def test_a_batch_that_cannot_be_taken_leaves_nothing(index: Index) -> None:
    bad = row(6, cause=None)
    with pytest.raises(sqlite3.Error):
        index.take(Batch({(DEAD, 2): None}, {(DEAD, 2): 7}, [row(), bad]))
    assert index.positions() == {}
    assert index.select(Filter()) == []


def test_what_its_topic_no_longer_holds_is_forgotten(index: Index) -> None:
    _filled(index, row(3), row(5))
    assert index.forget({(DEAD, 2): 5, (DEAD, 0): 9}) == 1
    assert [one.at.offset for one in index.select(Filter())] == [5]


@pytest.mark.parametrize(("identity", "end"), [("other", 100), ("id", 99)])
def test_a_topic_that_was_made_anew_is_read_anew(index: Index, identity: str, end: int) -> None:
    assert index.match({DEAD: "id"}, {(DEAD, 2): 0})
    _filled(index, row())
    assert index.match({DEAD: "id"}, {(DEAD, 2): 100})
    assert len(index.select(Filter())) == 1
    assert not index.match({DEAD: identity}, {(DEAD, 2): end})
    assert index.select(Filter()) == []
    assert index.positions() == {}


@pytest.mark.parametrize("damage", ["other format", "no database", "gone"])
def test_a_lost_index_is_made_anew_empty(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "index.sqlite"
    _filled(Index(path), row()).close()
    if damage == "other format":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 999")
    elif damage == "no database":
        path.write_bytes(b"not a database" * 1000)
    else:
        path.unlink()
    index = Index(path)
    assert index.positions() == {}
    assert index.select(Filter()) == []
    _filled(index, row())


def test_whoever_asks_while_another_fills_it_for_the_first_time_is_answered(tmp_path: Path) -> None:
    fills, asks = Index(tmp_path / "one.sqlite"), Index(tmp_path / "one.sqlite")
    _filled(fills, row())
    assert len(asks.select(Filter())) == 1
    assert fills.take(Batch(letters=[row(7)]))
    fills.complete()
    assert [group.count for group in asks.groups(Filter(), NOW)] == [2]


def test_what_another_process_made_anew_is_asked_all_the_same(tmp_path: Path) -> None:
    first, second = Index(tmp_path / "one.sqlite"), Index(tmp_path / "one.sqlite")
    _filled(second, row())
    assert len(second.select(Filter())) == 1
    assert not first.match({DEAD: "other"}, {(DEAD, 2): 1})
    assert second.select(Filter()) == []


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "index.sqlite"
    Index(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_groups_count_and_tell_first_last_example_and_trend(index: Index) -> None:
    young, old = NOW - timedelta(minutes=5), NOW - timedelta(hours=5)
    _filled(
        index,
        row(1, fingerprint="f1", tenant_id="a", failed_at=old),
        row(2, fingerprint="f1", tenant_id="b", failed_at=young),
        row(3, fingerprint="f2", failed_at=young),
    )
    first, second = index.groups(Filter(), NOW)
    assert (first.fingerprint, first.count, first.recent, first.tenants) == ("f1", 2, 1, 2)
    assert (first.first_seen, first.last_seen) == (old, young)
    assert first.example == f"{DEAD}/2/2"
    assert (first.trend, second.trend) == (Trend.RISING, Trend.NEW)


@pytest.mark.parametrize(
    ("recent", "before", "older", "found"),
    [
        (0, 0, 9, Trend.QUIET),
        (3, 0, 0, Trend.NEW),
        (3, 0, 1, Trend.RISING),
        (10, 9, 0, Trend.STEADY),
        (20, 9, 0, Trend.RISING),
        (2, 9, 0, Trend.FALLING),
        (0, 1, 0, Trend.FALLING),
    ],
)
def test_the_trend_is_of_the_last_hour_beside_the_one_before(
    recent: int, before: int, older: int, found: Trend
) -> None:
    assert trend(recent, before, older) is found


def test_stats_add_up(index: Index) -> None:
    _filled(index, row(1, tenant_id="a", cost=Decimal("0.5")), row(2, tenant_id="b"), row(5, cause="leak"))
    index.take(_sent())
    found = index.stats(Filter())
    assert (found.total, found.by_cause, found.cost_usd) == (3, {"undecodable": 2, "leak": 1}, Decimal("0.5"))
    assert found.by_status == {"open": 2, "replaying": 1}
    assert found.oldest_open == NOW


def test_news_are_what_came_since(index: Index) -> None:
    _filled(index, row(1))
    place = index.last_number()
    index.take(Batch(letters=[row(2), row(3, cause="leak")]))
    found, place = index.newer(Filter(causes=["leak"]), place)
    assert [one.at.offset for one in found] == [3]
    assert index.newer(Filter(), place) == ([], place)


def test_edits_and_operations_are_found_by_their_dead_letter(index: Index) -> None:
    one = Edit(AT, "E-1", NOW, "kim", "typo", ("subject", "body"), 0, 7)
    two = Edit(AT, "E-1", NOW, "kim", "", (), 0, 8)
    done = Operation(NOW, "kim", "edit", "done", "typo", AT, "E-1", detail="fields: subject")
    index.take(
        Batch(edits=[one, two], operations=[done, Operation(NOW, "kim", "resume", "done", enrichment="tickets")])
    )
    assert index.edits(AT) == [one, two]
    assert index.newest_edits([AT, Coordinates(DEAD, 2, 6)]) == [two]
    assert index.operations(AT) == [done]
    assert [one.action for one in index.operations(limit=1)] == ["resume"]


def test_an_event_stood_first_where_its_first_dead_letter_says(index: Index) -> None:
    _filled(index, row(1, source_place=40), row(2, source_place=17))
    assert index.original_places(["E-1", "E-2"]) == {"E-1": 17}
