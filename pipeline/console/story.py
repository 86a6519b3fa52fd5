"""A dead letter's story as its page tells it; nothing of the record that a publisher wrote is in it unredacted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, cast

from pipeline.deadletters.audit import Action, Result
from pipeline.deadletters.desk import Story
from pipeline.deadletters.filter import Status
from pipeline.deadletters.history import EVENT_ID
from pipeline.deadletters.index import Entry

_PLAIN: Final = frozenset({EVENT_ID, "traceparent"})
"""Headers whose form is fixed; of any other only the name is told, its value is the publisher's."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody did with it. `edit` counts its edits, so that the diff of each is found."""

    at: datetime
    what: str
    by: str
    why: str
    detail: str = ""
    replay_id: str = ""
    edit: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows."""

    entry: Entry
    facts: Mapping[str, object]
    """The envelope without the sealed original, key and headers."""
    attempts: Sequence[Mapping[str, object]]
    headers: Sequence[tuple[str, str]]
    """Name and value; an empty value is hidden."""
    history: Sequence[Event]
    """What people did, the oldest first."""
    edited: bool
    others: Sequence[Entry]
    cost_usd: Decimal

    @property
    def open(self) -> bool:
        """Whether it can be mended, sent or closed."""
        return self.entry.status is Status.OPEN


def told(story: Story) -> Told:
    """From what the desk knows."""
    envelope = story.letter.envelope
    headers = cast(Sequence[Mapping[str, object]], envelope["headers"])
    attempts = cast(Sequence[Mapping[str, object]], envelope["attempts"])
    return Told(
        entry=story.entry,
        facts={name: value for name, value in envelope.items() if name not in ("original", "key", "headers")},
        attempts=attempts,
        headers=[(str(one["name"]), _plain(str(one["name"]), one["value"])) for one in headers],
        history=sorted(_events(story), key=lambda event: event.at),
        edited=bool(story.edits),
        others=story.later,
        cost_usd=sum((cast(Decimal, made["cost_usd"]) for made in attempts), Decimal(0)),
    )


def _events(story: Story) -> Iterator[Event]:
    for replay in cast(Sequence[Mapping[str, object]], story.letter.envelope["replays"]):
        at, by, why, replay_id = (replay[name] for name in ("at", "by", "why", "replay_id"))
        yield Event(cast(datetime, at), "sent again", str(by), str(why), "it died once more", str(replay_id))
    for number, edit in enumerate(story.edits):
        yield Event(edit.at, "edited", edit.by, edit.why, f"fields: {', '.join(edit.fields)}", edit=number)
    for done in story.operations:
        # An edit's own record says more than its audit does.
        if (done.action, done.result) != (Action.EDIT, Result.DONE):
            what = done.action if done.result == Result.DONE else f"{done.action}, {done.result}"
            yield Event(done.at, what, done.by, done.why, done.detail, done.replay_id)


def _plain(name: str, value: object) -> str:
    return value.decode("ascii", "replace") if name in _PLAIN and isinstance(value, bytes) else ""
