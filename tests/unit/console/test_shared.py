"""The desk that all pages share: nobody waits long for what is away, or for what takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline.console import shared
from pipeline.console.shared import SharedDesk
from pipeline.deadletters.index.following import Progress
from pipeline.errors import UnavailableError
from pipeline.settings import Settings
from tests.unit.console.offline import OfflineDesk


class SlowDesk(OfflineDesk):
    """Reads until it is let go."""

    go = threading.Event()

    def catch_up(self, told: Callable[[Progress], None] = lambda _: None) -> int:
        told(Progress(5, 10))
        self.go.wait(30)
        return 10


def test_what_was_away_is_not_asked_again_at_once(tmp_path: Path) -> None:
    knocks = 0

    def knock() -> None:
        nonlocal knocks
        knocks += 1
        raise UnavailableError("Kafka is away")

    desk = SharedDesk(lambda: OfflineDesk(Settings(), tmp_path), knock)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="Kafka is away"):
            desk.fresh()
    assert knocks == 1


def test_a_long_reading_is_told_of_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_READING_S", 0.2)
    slow = SlowDesk(Settings(), tmp_path)
    desk = SharedDesk(lambda: slow, lambda: None)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="5 of 10 records so far"):
            desk.fresh()
    slow.go.set()
    monkeypatch.setattr(shared, "_READING_S", 30)
    assert desk.fresh() is slow


def test_a_desk_that_could_not_be_opened_is_opened_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_AWAY_S", 0.0)
    made = OfflineDesk(Settings(), tmp_path)
    answers: Iterator[OfflineDesk | UnavailableError] = iter([UnavailableError("not yet"), made])

    def opener() -> OfflineDesk:
        found = next(answers)
        if isinstance(found, UnavailableError):
            raise found
        return found

    desk = SharedDesk(opener, lambda: None)
    with pytest.raises(UnavailableError, match="not yet"):
        desk.fresh()
    assert desk.fresh() is made
