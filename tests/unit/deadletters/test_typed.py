"""What people type for a time or a dead letter: whatever it is, it is understood or refused in a line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pipeline.deadletters.filter import Filter
from pipeline.deadletters.index import Coordinates, Index
from pipeline.errors import UsageError
from pipeline.moments import moment
from tests.unit.deadletters.letters import NOW


@pytest.mark.parametrize("text", ["999999d", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_a_time_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="beyond the calendar"):
        moment(text, NOW)


def test_times_and_ages_are_understood() -> None:
    assert moment("2d", NOW) == NOW - timedelta(days=2)
    assert moment("2026-03-05T14:00+01:00", NOW) == datetime(2026, 3, 5, 13, tzinfo=UTC)
    assert moment("2026-03-05", NOW) == datetime(2026, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", [f"t/{10**30}/1", f"t/1/{10**30}", f"t/{10**10}/1", "t/1", "E-1"])
def test_what_no_partition_or_offset_can_be_is_no_dead_letter(tmp_path: Path, text: str) -> None:
    assert Coordinates.parse(text) is None
    index = Index(tmp_path / "index.sqlite")
    assert list(index.select(Filter(ids=[text]))) == []
    index.close()
