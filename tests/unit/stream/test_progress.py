"""Progress against the obvious: a set of finished offsets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pipeline.stream.metadata import decode, encode
from pipeline.stream.progress import Progress


class ProgressAgainstASet(RuleBasedStateMachine):
    """One partition through many owners; each reads what the last one committed."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        """Offsets that hold a record."""
        self.end = 0
        self.position = 0
        """Index in `log` of what this owner fetches next."""
        self.finished: set[int] = set()
        """By this owner or in the state it read."""
        self.open: set[int] = set()
        self.committed: tuple[int, str, frozenset[int]] | None = None
        self.progress = Progress()

    @rule(gaps=st.lists(st.sampled_from([0, 0, 0, 1, 3, 9, 70]), min_size=1, max_size=12))
    def publish(self, gaps: list[int]) -> None:
        for gap in gaps:
            self.end += gap
            self.log.append(self.end)
            self.end += 1

    @precondition(lambda self: self.position < len(self.log))
    @rule(count=st.integers(1, 20))
    def fetch(self, count: int) -> None:
        for offset in self.log[self.position : self.position + count]:
            new = self.progress.fetched(offset)
            assert new == (offset not in self.finished)
            if new:
                self.open.add(offset)
            self.position += 1

    @precondition(lambda self: self.position == len(self.log) and self.log)
    @rule(markers=st.integers(0, 3))
    def reach_the_end(self, markers: int) -> None:
        self.end += markers
        self.progress.reached(self.end)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.open)))
        self.open.discard(offset)
        self.finished.add(offset)
        self.progress.finish(offset)

    @precondition(lambda self: self.progress.prefix is not None)
    @rule()
    def commit(self) -> None:
        offset, bits = self.progress.snapshot()
        self.committed = (offset, encode(bits), frozenset(self.finished))

    @rule()
    def move_to_another_owner(self) -> None:
        """What was not committed is forgotten, what was is known."""
        self.open.clear()
        if self.committed is None:
            self.progress, self.finished, self.position = Progress(), set(), 0
            return
        offset, metadata, finished = self.committed
        self.progress, self.finished = Progress(offset, decode(metadata)), set(finished)
        self.position = next((i for i, held in enumerate(self.log) if held >= offset), len(self.log))

    @invariant()
    def nothing_unfinished_lies_below_the_prefix(self) -> None:
        prefix = self.progress.prefix
        if prefix is not None:
            below = [offset for offset in self.log[: self.position] if offset < prefix]
            assert all(offset in self.finished for offset in below)
            assert prefix == min(self.open, default=self.progress.next)

    @invariant()
    def every_record_is_known_as_finished_or_not(self) -> None:
        for offset in self.log[: self.position]:
            assert self.progress.is_finished(offset) == (offset in self.finished)


TestProgressAgainstASet = ProgressAgainstASet.TestCase
TestProgressAgainstASet.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_record_seen_before_in_this_assignment_is_not_processed_again() -> None:
    progress = Progress(5)
    assert progress.fetched(5)
    assert not progress.fetched(5)
    assert not progress.fetched(3)


def test_nothing_can_be_committed_before_an_offset_is_known() -> None:
    with pytest.raises(ValueError, match="fetched"):
        Progress().snapshot()


@given(st.integers(0, 200), st.integers(0, 10**9))
def test_a_gap_of_any_size_costs_no_memory_when_nothing_waits_below_it(start: int, gap: int) -> None:
    progress = Progress(start)
    assert progress.fetched(start + gap)
    progress.finish(start + gap)
    assert progress.snapshot() == (start + gap + 1, b"") or not any(progress.snapshot()[1])


def test_the_span_grows_behind_a_stuck_record_and_closes_with_it() -> None:
    progress = Progress(0)
    for offset in range(1000):
        progress.fetched(offset)
    for offset in range(1, 1000):
        progress.finish(offset)
    assert progress.span == 1000
    progress.finish(0)
    assert progress.span == 0
    assert progress.prefix == 1000
