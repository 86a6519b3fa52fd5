"""Mends dead letters' values: opened as text, changed, checked, and kept beside the original with what was changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from pipeline import contract
from pipeline.catalogue import Enrichment
from pipeline.deadletters.actor import Actor
from pipeline.deadletters.audit import Action, Audit, Result
from pipeline.deadletters.changes import Change, Json, Tree
from pipeline.deadletters.index import Edit, Operation
from pipeline.deadletters.ledgers import EDIT_TOPIC
from pipeline.deadletters.reading import DeadLetter, DeadLetterTopics
from pipeline.deadletters.values import Values
from pipeline.errors import ContractError, NotTakenError, RecordError, UsageError
from pipeline.jsontext import to_json
from pipeline.serde import decode_now
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output

if TYPE_CHECKING:
    from pipeline.deadletters.acceptance import Acceptance
    from pipeline.redact import Redactor


@dataclass(frozen=True, slots=True)
class Opened:
    """A dead letter's value as a person reads it: JSON where it can be, else its text, else nothing."""

    letter: DeadLetter
    text: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A value that its enrichment takes. `fields` are the paths that changed, `diff` tells how, line by line."""

    letter: DeadLetter
    value: bytes
    fields: tuple[str, ...]
    diff: str


class Mender:
    """Opens, checks and keeps."""

    def __init__(
        self,
        topics: DeadLetterTopics,
        values: Values,
        audit: Audit,
        redactor: Callable[[Enrichment], Redactor],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`redactor` makes that of an enrichment: it takes seconds, so one is made only when it is needed."""
        self._topics, self._values, self._audit, self._redactor, self._now = topics, values, audit, redactor, now
        self._acceptances: dict[str, Acceptance] = {}

    def open(self, letter: DeadLetter, edits: Sequence[Edit] = ()) -> Opened:
        """The value that a replay would send now. Raises RedactionError when it cannot be opened."""
        mended = self._values.mended(edits[-1:])
        value = mended.get(letter.at) if mended else self._values.original(letter)
        return Opened(letter, self._readable(letter, value or b""))

    def accept(self, opened: Opened, text: str) -> Mended:
        """The value as a person wrote it. Raises UsageError that names what is wrong, without quoting the value.

        Where fields are to blame it is a NotTakenError that tells them apart.
        """
        enrichment = self._enrichment(opened.letter)
        if not text.strip():
            raise UsageError("the value is empty: nothing was changed")
        try:
            written = json.loads(text)
        except ValueError as error:
            raise UsageError(f"not JSON: {str(error).split(':')[0].lower()}, line {_line(error)}") from None
        try:
            schema = enrichment.input_schema.schema
            record = contract.read_json(contract.record_model(schema), text.encode())
            value = self._topics.codec(enrichment.input.topic).encode(record)
            self._acceptance(enrichment).check(value)
        except RecordError as error:
            fields = error.fields if isinstance(error, ContractError) else {}
            raise NotTakenError(f"{enrichment.name} does not take it: {error.message}", fields) from None
        # The model drops what it does not know; a misspelt name would be lost without a word.
        if strange := sorted(_names(written) - _names_of(opened.text) - record.keys()):
            message = f"{enrichment.name} does not take it: there is no field {strange[0]}"
            raise NotTakenError(message, {strange[0]: "there is no such field"})
        after = self._readable(opened.letter, value)
        return Mended(opened.letter, value, tuple(_changed(opened.text, after)), _diff(opened.text, after))

    def change(self, opened: Opened, changes: Sequence[Change]) -> Mended:
        """The value with these changes. Raises UsageError as `accept` does."""
        try:
            tree = json.loads(opened.text)
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            raise UsageError(f"{opened.letter.id} cannot be read as a record: open it with edit alone")
        for change in changes:
            change.apply(cast(Tree, tree))
        return self.accept(opened, json.dumps(tree))

    def keep(self, actor: Actor, mended: Sequence[Mended], why: str) -> None:
        """Writes the mended values and the audit of it. Raises UnavailableError when Kafka does not take them."""
        now = self._now()
        codec = self._topics.codec(EDIT_TOPIC)
        with Publisher(self._topics.client) as publisher:
            for one in mended:
                at = one.letter.at
                edit = Edit(at, one.letter.text("event_id"), now, actor.name, why, one.fields, 0, 0)
                record = {
                    "dead_letter": at.as_record(),
                    "event_id": edit.event_id,
                    "at": now,
                    "by": actor.name,
                    "why": why,
                    "fields": list(one.fields),
                    "value": self._values.seal("value", one.value, edit),
                    "diff": self._values.seal("diff", one.diff.encode(), edit),
                }
                publisher.send(Output(EDIT_TOPIC, str(at).encode(), codec.encode(record)))
                done = Operation(
                    now,
                    actor.name,
                    Action.EDIT,
                    Result.DONE,
                    why,
                    at,
                    edit.event_id,
                    detail=f"fields: {', '.join(one.fields)}",
                )
                publisher.send(self._audit.output(done))

    def schema(self, letter: DeadLetter) -> contract.Schema:
        """That of the input topic."""
        return self._enrichment(letter).input_schema.schema

    def _readable(self, letter: DeadLetter, value: bytes) -> str:
        topic = str(letter.source["topic"])
        try:
            return _indented(json.loads(to_json(decode_now(self._topics.codecs.decoder(topic), value).record)))
        except RecordError:
            pass
        try:
            return _indented(json.loads(value))
        except ValueError:
            return value.decode("utf-8", "replace")

    def _enrichment(self, letter: DeadLetter) -> Enrichment:
        return self._topics.codecs.catalogue.enrichment(letter.text("enrichment"))

    def _acceptance(self, enrichment: Enrichment) -> Acceptance:
        # The rooms that make questions take seconds to import: only who mends waits for them.
        from pipeline.deadletters.acceptance import Acceptance

        if enrichment.name not in self._acceptances:
            codec = self._topics.codec(enrichment.input.topic)
            self._acceptances[enrichment.name] = Acceptance(enrichment, codec, self._redactor(enrichment))
        return self._acceptances[enrichment.name]


def _names(value: object) -> set[str]:
    return {str(name) for name in value} if isinstance(value, Mapping) else set()


def _names_of(text: str) -> set[str]:
    try:
        return _names(json.loads(text))
    except ValueError:
        return set()


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _line(error: ValueError) -> int:
    return error.lineno if isinstance(error, json.JSONDecodeError) else 1


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "original", "mended", lineterm="", n=1)
    return "\n".join(lines)


def _changed(before: str, after: str) -> list[str]:
    """Paths of the fields that differ; `.` when the original was no record."""
    try:
        old = json.loads(before)
    except ValueError:
        return ["."]
    return sorted(_differing(old, json.loads(after), ""))


def _differing(old: Json, new: Json, at: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {*old, *new}:
            yield from _differing(old.get(name), new.get(name), f"{at}.{name}" if at else str(name))
    elif old != new:
        yield at or "."
