"""How a dead letter stands follows from what the topics say of it, in whatever order they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Coordinates, Index, Note, Outcome
from pipeline.deadletters.index.entry import Row
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.ledgers import IMPORTED_AS
from tests.unit.deadletters.letters import DEAD, NOW, letter, row

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


def _status(index: Index) -> Status:
    (found,) = index.select(Filter(ids=[str(AT)]))
    return found.status


def test_a_dead_letter_goes_from_open_to_replaying_to_its_outcome(index: Index) -> None:
    _filled(index, row())
    assert _status(index) is Status.OPEN
    index.take(_sent())
    assert _status(index) is Status.REPLAYING
    index.take(Batch(outcomes=[Outcome("E-1", "r1", "enriched", NOW)]))
    assert _status(index) is Status.REPLAYED
    assert index.statuses("r1") == {Status.REPLAYED: 1}


def test_what_dies_again_is_a_new_open_one_and_the_old_one_says_so(index: Index) -> None:
    _filled(index, row())
    index.take(_sent())
    index.take(Batch(letters=[row(9, last_replay="r1", replays=1)]))
    assert [(one.at.offset, one.status) for one in index.select(Filter(ids=["E-1"]))] == [
        (5, Status.DEAD_AGAIN),
        (9, Status.OPEN),
    ]


def test_an_outcome_counts_only_for_the_replay_that_a_person_noted(index: Index) -> None:
    """A publisher can write any replay's id on its records."""
    _filled(index, row())
    index.take(Batch(outcomes=[Outcome("E-1", "forged", "enriched", NOW)]))
    assert _status(index) is Status.OPEN
    index.take(_sent())
    assert _status(index) is Status.REPLAYING


DUE = NOW + timedelta(minutes=1)


def test_what_is_sent_again_by_itself_waits_until_its_try(index: Index) -> None:
    _filled(index, row(next_try_at=DUE), row(6, event_id="E-2"))
    assert _status(index) is Status.WAITING
    assert index.stats(Filter()).next_try_at == DUE
    assert index.stats(Filter(statuses=[Status.OPEN])).next_try_at is None
    index.take(_sent())
    assert _status(index) is Status.REPLAYING
    assert index.stats(Filter()).next_try_at is None
    index.take(Batch(letters=[row(next_try_at=DUE, place=9, last_replay="r1", replays=1, tries=1)]))
    assert [one.status for one in index.select(Filter(ids=["E-1"]))] == [Status.DEAD_AGAIN, Status.WAITING]


def test_what_was_imported_waits_for_no_try_of_its_own(index: Index) -> None:
    """It is tried again where it was exported, if anywhere."""
    of = letter()
    of = replace(of, envelope={**of.envelope, "next_try_at": DUE})
    _filled(index, row(of=of), row(of=replace(of, at=replace(of.at, offset=6)), headers=((IMPORTED_AS, b"x/1/2"),)))
    assert [one.status for one in index.select(Filter())] == [Status.WAITING, Status.OPEN]
    (imported,) = index.select(Filter(statuses=[Status.OPEN]))
    assert (imported.id, imported.next_try_at) == ("x/1/2", None)


def test_what_cannot_be_sent_when_it_is_due_is_open_again(index: Index) -> None:
    index.take(_sent(status="opened"))
    _filled(index, row(next_try_at=DUE))
    assert _status(index) is Status.OPEN
    index.take(_sent(status="resolved"))
    assert _status(index) is Status.RESOLVED


def test_what_came_too_late_says_so(index: Index) -> None:
    _filled(index, row(next_try_at=DUE))
    index.take(_sent())
    index.take(Batch(outcomes=[Outcome("E-1", "r1", "overtaken", NOW)]))
    assert _status(index) is Status.OVERTAKEN


def test_a_note_about_another_event_does_not_hide_a_dead_letter(index: Index) -> None:
    """After a topic was made anew, other dead letters stand at the same offsets."""
    _filled(index, row())
    index.take(_sent(event="E-0"))
    assert _status(index) is Status.OPEN


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_order_in_which_topics_are_read_does_not_matter(order: Sequence[int], apart: Sequence[bool]) -> None:
    """Five facts, in any order, in one batch or several."""
    parts = [
        Batch(letters=[row()]),
        _sent(),
        Batch(outcomes=[Outcome("E-1", "r1", "enriched", NOW)]),
        Batch(letters=[row(9, event_id="E-2")]),
        Batch(notes=[Note(Coordinates(DEAD, 2, 9), "E-2", "resolved", "", NOW, "kim", "done by hand")]),
    ]
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder) / "index.sqlite")
        batch = Batch()
        for place, flush in zip(order, apart, strict=True):
            batch.letters += parts[place].letters
            batch.notes += parts[place].notes
            batch.outcomes += parts[place].outcomes
            if flush:
                index.take(batch)
                batch = Batch()
        index.take(batch)
        assert [one.status for one in index.select(Filter())] == [Status.REPLAYED, Status.RESOLVED]
        index.close()
