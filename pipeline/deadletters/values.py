"""The values of dead letters: the original as the bytes were, and what people made of it, each opened with the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pipeline.deadletters.envelope import sealed_to
from pipeline.deadletters.index import Coordinates, Edit
from pipeline.deadletters.ledgers import EDIT_TOPIC
from pipeline.deadletters.reading import DeadLetter, DeadLetterTopics
from pipeline.errors import RedactionError
from pipeline.stream.reader import pick
from pipeline.vault import Keyring, associated_data


class Values:
    """Opens values with one keyring."""

    def __init__(self, topics: DeadLetterTopics, keyring: Keyring) -> None:
        self._topics, self._keyring = topics, keyring

    def original(self, letter: DeadLetter) -> bytes | None:
        """The input record's value, as the bytes were. Raises RedactionError when it cannot be had or opened."""
        return open_original(letter, self._keyring)

    def mended(self, edits: Sequence[Edit]) -> dict[Coordinates, bytes]:
        """The values that replace originals. Raises RedactionError when one cannot be opened."""
        found: dict[Coordinates, bytes] = {}
        for edit, record in self._records(edits):
            found[edit.letter] = self._keyring.open(cast(bytes, record["value"]), bound("value", edit))
        return found

    def diffs(self, edits: Sequence[Edit]) -> list[str]:
        """What each edit changed, line by line. Raises RedactionError when one cannot be opened."""
        opened = {
            (edit.partition, edit.offset): self._keyring.open(cast(bytes, record["diff"]), bound("diff", edit)).decode()
            for edit, record in self._records(edits)
        }
        return [opened.get((edit.partition, edit.offset), "no longer kept") for edit in edits]

    def seal(self, what: str, value: bytes, edit: Edit) -> bytes:
        """For an edit's record; `what` is value or diff."""
        return self._keyring.seal(value, bound(what, edit))

    def _records(self, edits: Sequence[Edit]) -> list[tuple[Edit, Mapping[str, object]]]:
        places: dict[tuple[str, int], list[int]] = {}
        for edit in edits:
            places.setdefault((EDIT_TOPIC, edit.partition), []).append(edit.offset)
        by_place = {(edit.partition, edit.offset): edit for edit in edits}
        records = (
            (by_place[record.partition, record.offset], self._topics.decoded(EDIT_TOPIC, record.value))
            for record in pick(self._topics.client, places)
        )
        return [(edit, record) for edit, record in records if record is not None]


def open_original(letter: DeadLetter, keyring: Keyring) -> bytes | None:
    """The value that a dead letter keeps. Raises RedactionError when it cannot be had or opened."""
    sealed = cast(bytes | None, letter.envelope["original"])
    if sealed is None:
        if letter.envelope["original_size"]:
            raise RedactionError("the original was too large to keep here; it is in the input topic at its source")
        return None
    return keyring.open(sealed, sealed_to(letter.envelope))


def bound(what: str, edit: Edit) -> bytes:
    """What a sealed part of an edit is bound to: it opens nowhere else."""
    return associated_data(f"{what} of {edit.letter.topic}", edit.letter.partition, edit.letter.offset, edit.event_id)
