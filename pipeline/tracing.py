"""One record from its input to its output, found again in the topics and told redacted, or in clear to who may see it.

The prompt and the redaction are made anew, as a worker would now; the rest is what the topics hold.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from pydantic import ValidationError

from pipeline import contract, paths
from pipeline.catalogue import Enrichment
from pipeline.deadletters.envelope import kafka_time
from pipeline.deadletters.history import EVENT_ID
from pipeline.deadletters.index import Coordinates, Entry
from pipeline.errors import RecordError, UsageError
from pipeline.jsontext import to_json
from pipeline.outputs import event_id_of
from pipeline.questions import Questions
from pipeline.redact import Redaction, Redactor
from pipeline.serde import TopicCodecs, decode_now
from pipeline.stream.partitioning import partition_of
from pipeline.stream.reader import pick, read, spans
from pipeline.stream.record import Record

_LOOKING_S: Final = 20.0
"""How long the topics are looked through for one record."""
_APART: Final = timedelta(minutes=1)
"""Audit and output are written in one transaction; their clocks differ by less than this."""
_HIDDEN: Final = "[not shown]"


@dataclass(frozen=True, slots=True)
class Audited:
    """One record of the audit: what was done with it, how, and what of it held personal data."""

    at: datetime
    outcome: str
    stage: str
    cause: str
    provider: str
    model: str
    prompt_version: str
    attempts: int
    cached: bool
    redactions: Mapping[str, int]
    restored: Sequence[str]


@dataclass(slots=True)
class Trace:
    """What was found. Texts are JSON or plain; empty where there is none, then `notes` say why."""

    source: Coordinates
    event_id: str
    """As it may be shown: some publishers take an address for it."""
    enrichment: str
    at: datetime | None = None
    input: str = ""
    prompt_version: str = ""
    system: str = ""
    prompt: str = ""
    answer: str = ""
    problems: list[str] = field(default_factory=list)
    """Where the answer does not fit its schema as it is now."""
    output: str = ""
    output_at: Coordinates | None = None
    audited: list[Audited] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dead_letter: Coordinates | None = None
    """The newest of its event."""


class _OutOfTimeError(Exception):
    """The topics were looked through for long enough; its text says up to when."""


class Tracer:
    """Traces records of a catalogue on one cluster. `redactor` makes that of an enrichment, which takes seconds."""

    def __init__(
        self,
        codecs: TopicCodecs,
        client: Mapping[str, str],
        redactor: Callable[[Enrichment], Redactor],
        tenant_key: Callable[[str], bytes] | None,
        letters_of: Callable[[str], Sequence[Entry]],
    ) -> None:
        """`tenant_key`: None where there is no vault key. `letters_of`: dead letters of an id, the newest last."""
        self._codecs, self._client, self._tenant_key = codecs, client, tenant_key
        self._letters_of = letters_of
        self._redactor = redactor
        self._redactors: dict[str, Redactor] = {}

    def place(self, named: str, since: datetime) -> Coordinates:
        """Where the input record of an id stands: of a dead letter, of coordinates, or of an event that the audit knows
        since then. Raises UsageError when there is none.
        """
        if known := self._letters_of(named):
            first = known[0]
            return Coordinates(first.source_topic, first.source_partition, first.source_offset)
        if (at := Coordinates.parse(named)) is not None:
            self._enrichment(at.topic)
            return at
        begun = f"no event {named} was found since {since:%Y-%m-%d %H:%M} UTC"
        try:
            for record in self._of_event(named, since):
                found = self._decoded(record)
                return Coordinates.of(cast(Mapping[str, object], found["source"]))
        except _OutOfTimeError as error:
            raise UsageError(f"{begun} before {error}: look from later on") from None
        raise UsageError(f"{begun}: look from further back")

    def trace(self, at: Coordinates, *, clear: bool = False) -> Trace:
        """The record that stands there. Only `clear` gives personal data away.

        Raises UsageError when no enrichment reads its topic, or it holds it no longer.
        """
        enrichment = self._enrichment(at.topic)
        record = next(pick(self._client, {(at.topic, at.partition): [at.offset]}), None)
        if record is None:
            raise UsageError(f"{at} is not in its topic: it was deleted by now, or never was")
        found = Trace(at, event_id_of(record), enrichment.name, kafka_time(record.timestamp_ms))
        try:
            self._take_audits(found)
        except _OutOfTimeError as error:
            found.notes.append(f"The audit was read only up to {error}: what came later is not known here.")
        version = next((one.prompt_version for one in reversed(found.audited)), enrichment.spec.prompt.version)
        redaction = self._take_input(record, enrichment, version, found, clear=clear)
        done = next((one for one in reversed(found.audited) if one.outcome == "ENRICHED"), None)
        if done is not None:
            try:
                self._take_output(record.key, done, redaction, found, clear=clear)
            except _OutOfTimeError as error:
                found.notes.append(f"Its output was looked for only up to {error}, and was not found.")
        found.dead_letter = next((letter.at for letter in reversed(self._letters_of(found.event_id))), None)
        if not clear:
            found.event_id = redaction.mask(found.event_id) if redaction is not None else _HIDDEN
        return found

    # ---- parts

    def _take_audits(self, found: Trace) -> None:
        for record in self._of_event(found.event_id, found.at or datetime.now(UTC)):
            audit = self._decoded(record)
            found.audited.append(
                Audited(
                    at=cast(datetime, audit["at"]),
                    outcome=str(audit["outcome"]),
                    stage=str(audit["stage"]),
                    cause=str(audit["cause"]),
                    provider=str(audit["provider"]),
                    model=str(audit["model"]),
                    prompt_version=str(audit["prompt_version"]),
                    attempts=int(cast(int, audit["attempts"])),
                    cached=bool(audit["cached"]),
                    redactions=cast(Mapping[str, int], audit["redactions"]),
                    restored=cast(Sequence[str], audit["restored"]),
                )
            )
            if audit["outcome"] == "ENRICHED":
                break
        if not found.audited:
            found.notes.append("The audit does not know it: it is not done yet, or was left out by its enrichment.")

    def _take_input(
        self, record: Record, enrichment: Enrichment, version: str, found: Trace, *, clear: bool
    ) -> Redaction | None:
        try:
            decoded = decode_now(self._codecs.decoder(record.topic), record.value or b"").record
        except RecordError as error:
            found.notes.append(f"The input cannot be read: {error.message}.")
            found.input = (record.value or b"").decode("utf-8", "replace") if clear else ""
            return None
        found.prompt_version = version
        try:
            questions = self._questions(enrichment, version)
            reading = questions.redact(decoded)
        except RecordError as error:
            found.notes.append(f"It cannot be redacted: {error.message}.")
            found.input = _indented(decoded) if clear else ""
            return None
        found.input = _indented(decoded if clear else _redacted(decoded, enrichment, reading.redaction))
        try:
            prompt = questions.render(reading)
            found.system, found.prompt = prompt.system, prompt.user.text
        except RecordError as error:
            found.notes.append(f"It has no prompt: {error.message}.")
        return reading.redaction

    def _take_output(
        self, key: bytes | None, done: Audited, redaction: Redaction | None, found: Trace, *, clear: bool
    ) -> None:
        enrichment = self._enrichment(found.source.topic)
        topic = enrichment.output.topic
        header = EVENT_ID, found.event_id.encode()
        record = next((one for one in self._since([topic], key, done.at - _APART) if header in one.headers), None)
        if record is None:
            found.notes.append(f"Its output was not found in {topic}: it was deleted by now.")
            return
        found.output_at = Coordinates(record.topic, record.partition, record.offset)
        output = dict(self._decoded(record))
        answer = cast(Mapping[str, object], output.pop(enrichment.spec.answer))
        said = {name: value for name, value in answer.items() if name in enrichment.answer.model_fields}
        try:
            # Restored texts may be longer than what a model may say: only where nothing was restored is it the same.
            if not done.restored:
                enrichment.answer.model_validate(json.loads(to_json(said)))
        except ValidationError as error:
            found.problems = contract.problems(error)
        added = {name: value for name, value in answer.items() if name not in said}
        shown: object = said
        if not clear:
            for path in enrichment.restored:
                shown = paths.replaced(shown, path, lambda text: redaction.mask(text) if redaction else _HIDDEN)
            shown, added = _masked(shown, redaction), cast(dict[str, object], _masked(added, redaction))
            output = cast(dict[str, object], _masked(output, redaction))
        found.answer = _indented(shown)
        found.output = _indented({**({"added by code": added} if added else {}), **output})

    # ---- reading

    def _of_event(self, event_id: str, since: datetime) -> Iterator[Record]:
        """The audit's records of an event, in the order of their partition: they have its id as their key."""
        topics = sorted({one.audit.topic for one in self._codecs.catalogue.enrichments.values()})
        key = event_id.encode()
        return (record for record in self._since(topics, key, since) if record.key == key)

    def _since(self, topics: Sequence[str], key: bytes | None, since: datetime) -> Iterator[Record]:
        """Records of the partitions that a key belongs to, of all of them without one. Raises _OutOfTimeError."""
        sizes = Counter(topic for topic, _ in spans(self._client, topics)) if key is not None else {}
        only = [(topic, partition_of(key or b"", number)) for topic, number in sizes.items()]
        began = time.monotonic()
        for count, record in enumerate(read(self._client, topics, start=since, only=only)):
            if count % 1000 == 0 and time.monotonic() - began > _LOOKING_S:
                raise _OutOfTimeError(f"{kafka_time(record.timestamp_ms):%Y-%m-%d %H:%M} UTC")
            yield record

    def _decoded(self, record: Record) -> Mapping[str, object]:
        return decode_now(self._codecs.decoder(record.topic), record.value or b"").record

    def _enrichment(self, topic: str) -> Enrichment:
        known = self._codecs.catalogue.enrichments.values()
        found = next((one for one in known if one.input.topic == topic), None)
        if found is None:
            inputs = sorted({one.input.topic for one in known})
            raise UsageError(f"no enrichment reads {topic}; there are: {', '.join(inputs)}")
        return found

    def _questions(self, enrichment: Enrichment, version: str) -> Questions:
        if enrichment.name not in self._redactors:
            self._redactors[enrichment.name] = self._redactor(enrichment)
        if enrichment.prompt_of(version).is_file():
            prompt = enrichment.spec.prompt.model_copy(update={"version": version})
            enrichment = replace(enrichment, spec=enrichment.spec.model_copy(update={"prompt": prompt}))
        return Questions(enrichment, self._redactors[enrichment.name], (), self._tenant_key)


def _redacted(decoded: Mapping[str, object], enrichment: Enrichment, redaction: Redaction) -> dict[str, object]:
    """What may be shown of an input: texts of the prompt without personal data, and fields that hold none."""
    plain = {path for path, _ in contract.marked(enrichment.input_schema.schema, "personal", "none")}
    shown: dict[str, object] = {}
    for name, value in decoded.items():
        if name in plain:
            shown[name] = _masked(value, redaction)
        elif value in (None, "", {}, []):
            shown[name] = value
        else:
            inside = {path: text.text for path, text in redaction.fields.items() if _under(path, name)}
            shown[name] = inside.get(name, inside or _HIDDEN)
    return shown


def _under(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _masked(value: object, redaction: Redaction | None) -> object:
    """Every text with what was taken out of the input masked, wherever it stands; none where that is not known."""
    if isinstance(value, str):
        return redaction.mask(value) if redaction is not None else _HIDDEN
    if isinstance(value, Mapping):
        # A map's keys are texts of the record, too.
        named = redaction.mask if redaction is not None else str
        return {named(name): _masked(item, redaction) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, redaction) for item in value]
    return value


def _indented(value: object) -> str:
    return json.dumps(json.loads(to_json(value)), indent=2, ensure_ascii=False)
