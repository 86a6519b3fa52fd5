"""The part of the desk that only looks: what anybody who is let in may see, none of it personal.

What is read comes from the index, which `catch_up` keeps what the topics say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from pipeline.catalogue import Catalogue
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Edit, Entry, Follower, Group, Index, Operation, Stats
from pipeline.deadletters.index.following import Progress
from pipeline.deadletters.reading import DeadLetter, DeadLetterTopics
from pipeline.errors import UsageError
from pipeline.serde import TopicCodecs
from pipeline.settings import CACHE_FOLDER, Settings
from pipeline.stream.admin import Admin


@dataclass(frozen=True, slots=True)
class Story:
    """One dead letter, and all that was done with it. `entry` is its row, with the status it has now."""

    entry: Entry
    letter: DeadLetter
    edits: Sequence[Edit]
    operations: Sequence[Operation]
    later: Sequence[Entry]
    """Other dead letters of the same event, by time of death."""


class SeeingDesk:
    """Build it with `open`; everything raises UnavailableError when Kafka or the registry is away."""

    def __init__(self, settings: Settings, topics: DeadLetterTopics, index: Index) -> None:
        self._settings, self._topics, self._index = settings, topics, index
        self._follower = Follower(topics, index)

    @classmethod
    def open(cls, settings: Settings, catalogue: Catalogue) -> Self:
        """The desk of the cluster that the settings name. Raises UsageError for missing settings."""
        client = settings.kafka.client()
        folder = Path(settings.dead_letters.index) if settings.dead_letters.index else CACHE_FOLDER / "dead-letters"
        name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in Admin(client).cluster_id())
        topics = DeadLetterTopics(TopicCodecs(catalogue, settings.registry), client)
        return cls(settings, topics, Index(folder / f"{name}.sqlite"))

    def catch_up(self, told: Callable[[Progress], None] = lambda _: None) -> int:
        """Reads what is new in the topics; how many records."""
        return self._follower.catch_up(told)

    def topics(self, topic: str | None) -> list[str]:
        """The dead-letter topics, or the one of that input topic. Raises UsageError when there is none."""
        return self._topics.topics(topic)

    def letters(self, wanted: Filter, limit: int = 0) -> Sequence[Entry]:
        """Those that match, by time of death; of more than `limit` the newest, 0: all."""
        return self._index.select(wanted, limit)

    def causes(self, wanted: Filter) -> Counter[str]:
        """How many match, by cause."""
        return self._index.causes(wanted)

    def groups(self, wanted: Filter, now: datetime) -> Sequence[Group]:
        """By fingerprint, the largest first."""
        return self._index.groups(wanted, now)

    def stats(self, wanted: Filter) -> Stats:
        """Numbers by everything there is a closed list of."""
        return self._index.stats(wanted)

    def news(self, wanted: Filter, number: int | None = None) -> tuple[Sequence[Entry], int]:
        """Those that came into the index after the row `number` (None: none yet), and the number to ask with next."""
        return ([], self._index.last_number()) if number is None else self._index.newer(wanted, number)

    def outcomes(self, replay_id: str) -> Counter[Status]:
        """How those stand that one replay sent."""
        return self._index.statuses(replay_id)

    def operations(self, limit: int = 0) -> Sequence[Operation]:
        """What people did, the newest last."""
        return self._index.operations(limit=limit)

    def replays(self, replay_id: str = "", limit: int = 0) -> Sequence[Operation]:
        """Beginnings and ends of one replay, or of all; the newest last."""
        return self._index.replays(replay_id, limit)

    def story(self, named: str) -> Story:
        """All about the dead letter of an id, or the newest of an event. Raises UsageError when there is none."""
        entries = self._index.select(Filter(ids=[named]))
        if not entries:
            raise UsageError(f"no dead letter {named}: pipeline dead-letters list --status all")
        entry = entries[-1]
        letter = next(self._topics.letters([(entry.at, entry.status)]), None)
        if letter is None:
            raise UsageError(f"dead letter {named} is no longer in its topic")
        others = self._index.select(Filter(ids=[entry.event_id]))
        return Story(
            entry,
            letter,
            self._index.edits(entry.at),
            self._index.operations(entry.at),
            [one for one in others if one.at != entry.at],
        )
