"""What stands in Kafka for a record: its output or its dead letter, and with either its audit and usage records."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from pipeline import __version__
from pipeline.catalogue import Enrichment
from pipeline.deadletters.envelope import Death, envelope, replay_of, source
from pipeline.deadletters.history import EVENT_ID, FIRST_OFFSET, NEXT_TRY, OURS, OVERRIDE, Return, return_of
from pipeline.deadletters.ledgers import OUTCOME_TOPIC
from pipeline.deadletters.overrides import Override, override_of
from pipeline.deadletters.second_chance import ChancePolicy
from pipeline.errors import Attempted, Cause, RecordError, Stage
from pipeline.llm import Attempt, Completion, RenderedPrompt
from pipeline.questions import confidence_of
from pipeline.redact import Redaction
from pipeline.serde import ValueCodec
from pipeline.stream.record import Headers, Output, Record
from pipeline.vault import Keyring

_log = logging.getLogger(__name__)
_EVENTS = uuid.uuid5(uuid.NAMESPACE_URL, "enrichment-pipeline/event")
_TYING = frozenset({EVENT_ID, "traceparent", "demo-run"})
_OURS = OURS | {EVENT_ID}
_CENTS = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class Codecs:
    """How the topics that one enrichment writes are written."""

    output: ValueCodec
    dead_letters: ValueCodec
    audit: ValueCodec
    usage: ValueCodec
    outcomes: ValueCodec


@dataclass(slots=True)
class Way:
    """What is known about a record so far; a dead letter tells as much of it as there is."""

    record: Record
    event_id: str
    tenant_id: str = ""
    entity_id: str = ""
    schema_id: int | None = None
    redaction: Redaction | None = None
    prompt: RenderedPrompt | None = None
    completion: Completion[BaseModel] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    """The calls made for it so far, each of them paid or perhaps paid."""
    died: bool = False


class OutputWriter:
    """Writes the records of one enrichment. `simulated` names the providers nobody pays."""

    def __init__(self, enrichment: Enrichment, codecs: Codecs, keyring: Keyring, simulated: frozenset[str]) -> None:
        self._enrichment, self._spec = enrichment, enrichment.spec
        self._codecs, self._keyring, self._simulated = codecs, keyring, simulated

    def enriched(
        self, way: Way, completion: Completion[BaseModel], answer: Mapping[str, object], now: datetime
    ) -> Sequence[Output]:
        """The enriched record."""
        output = {
            "event_id": way.event_id,
            "tenant_id": way.tenant_id,
            self._spec.entity: way.entity_id,
            "source": source(way.record),
            "enriched_at": now,
            self._spec.answer: answer,
            "provenance": self._provenance(way, completion),
        }
        first = self.returned(way)
        headers = _headers(way) if first is None else (*_headers(way), (FIRST_OFFSET, b"%d" % first.first_offset))
        return [
            Output(self._spec.output, way.record.key, self._codecs.output.encode(output), headers, way),
            self._audit(way, now, "ENRICHED"),
            *self._usage(way, now, completion.attempts),
            *self._outcome(way, now, "ENRICHED"),
        ]

    def skipped(self, way: Way, now: datetime) -> Sequence[Output]:
        """Nothing; of a record that was sent again, that it was left out."""
        return self._outcome(way, now, "SKIPPED")

    def overtaken(self, way: Way, now: datetime) -> Sequence[Output]:
        """Of a record that was sent again by itself, that something newer stands already."""
        return self._outcome(way, now, "OVERTAKEN")

    def returned(self, way: Way) -> Return | None:
        """Where a record that was sent again first stood; None for one that was not."""
        return return_of(way.record, way.event_id, self._keyring)

    def override(self, way: Way) -> Override:
        """With what a replay asks for the record to be enriched."""
        return override_of(way.record, way.event_id, self._keyring)

    def variant(self, enrichment: Enrichment) -> OutputWriter:
        """A writer for the same topics that names another version in all it writes."""
        return OutputWriter(enrichment, self._codecs, self._keyring, self._simulated)

    def _outcome(self, way: Way, now: datetime, outcome: str) -> list[Output]:
        """Of a record that was sent again, for whoever waits for it. One that dies again has its new dead letter."""
        replay_id = replay_of(way.record)
        if not replay_id:
            return []
        record = {"event_id": way.event_id, "replay_id": replay_id, "outcome": outcome, "at": now}
        return [Output(OUTCOME_TOPIC, way.event_id.encode(), self._codecs.outcomes.encode(record), _own_headers(way))]

    def _provenance(self, way: Way, completion: Completion[BaseModel]) -> dict[str, object]:
        return {
            "enrichment": self._enrichment.name,
            "enrichment_version": self._spec.version,
            "pipeline_version": __version__,
            "provider": completion.provider,
            "model": completion.model,
            "simulated": completion.simulated,
            "prompt_version": self._spec.prompt.version,
            "tier": completion.tier,
            "cached": completion.cached,
            "attempts": len(completion.attempts),
            "input_tokens": completion.usage.input_tokens,
            "cached_tokens": completion.usage.cached_tokens,
            "output_tokens": completion.usage.output_tokens,
            "cost_usd": completion.cost_usd.quantize(_CENTS),
            "confidence": confidence_of(completion.answer),
            "redactions": dict(way.redaction.counts) if way.redaction else {},
        }

    def _audit(self, way: Way, now: datetime, outcome: str, death: Death | None = None) -> Output:
        done, attempts = way.completion, death.attempts if death else ()
        record = {
            "event_id": way.event_id,
            "tenant_id": way.tenant_id,
            "entity_id": way.entity_id,
            "source": source(way.record),
            "at": now,
            "outcome": outcome,
            "stage": death.stage if death else "",
            "cause": death.cause if death else "",
            "enrichment": self._enrichment.name,
            "enrichment_version": self._spec.version,
            "prompt_version": self._spec.prompt.version,
            "provider": done.provider if done else "",
            "model": done.model if done else "",
            "attempts": len(done.attempts) if done else len(attempts),
            "cached": done.cached if done else False,
            "prompt_sha256": _digest(way.prompt),
            "redactions": dict(way.redaction.counts) if way.redaction else {},
            "restored": list(self._enrichment.restored) if death is None else [],
        }
        return Output(self._spec.audit, way.event_id.encode(), self._codecs.audit.encode(record), _own_headers(way))

    def _usage(self, way: Way, now: datetime, attempts: Sequence[Attempted]) -> list[Output]:
        """One usage record per model that was asked: every paid call, also of a record that died."""
        models: dict[tuple[str, str, str], list[Attempted]] = {}
        for made in attempts:
            models.setdefault((made.provider, made.model, made.tier), []).append(made)
        done = way.completion
        if not attempts and done is not None:
            models[done.provider, done.model, done.tier] = []
        outputs = []
        for (provider, model, tier), calls in models.items():
            record = {
                "event_id": way.event_id,
                "tenant_id": way.tenant_id,
                "enrichment": self._enrichment.name,
                "at": now,
                "provider": provider,
                "model": model,
                "tier": tier,
                "simulated": provider in self._simulated,
                "cached": done.cached if done else False,
                "calls": len(calls),
                "input_tokens": sum(made.input_tokens for made in calls),
                "output_tokens": sum(made.output_tokens for made in calls),
                "cost_usd": sum((made.cost_usd for made in calls), Decimal(0)).quantize(_CENTS),
            }
            value = self._codecs.usage.encode(record)
            outputs.append(Output(self._spec.usage, way.event_id.encode(), value, _own_headers(way)))
        return outputs

    def refused(
        self, record: Record, outputs: Sequence[Output], refused: Output, reason: str, now: datetime
    ) -> tuple[Death, Sequence[Output]]:
        """The dead letter of a record whose output Kafka refuses; what its calls cost is still written."""
        ways = (output.origin for output in outputs)
        way = next((way for way in ways if isinstance(way, Way)), None) or Way(record, event_id_of(record))
        error = RecordError(
            f"Kafka refused the record for {refused.topic}: {reason}", cause=Cause.OUTPUT_TOO_LARGE, stage=Stage.PRODUCE
        )
        death, letters = self.dead(way, error, now, whole=refused.topic != self._spec.dead_letters)
        paid = [output for output in outputs if output.topic == self._spec.usage and output is not refused]
        return death, [*letters, *paid]

    def dead(self, way: Way, error: Exception, now: datetime, *, whole: bool = True) -> tuple[Death, Sequence[Output]]:
        """The dead letter. `whole` false leaves the original out: it stays in the input topic."""
        way.died = True
        returned = self.returned(way)
        tries = returned.tries if returned else 0
        death = Death(
            record=way.record,
            event_id=way.event_id,
            error=error,
            tenant_id=way.tenant_id,
            entity_id=way.entity_id,
            schema_id=way.schema_id,
            preview=_preview(way.redaction),
            attempts=tuple(way.attempts),
            first_offset=returned.first_offset if returned else None,
            tries=tries,
            next_try_at=self._next_try(way, error, tries, now) if whole else None,
        )
        if not isinstance(error, RecordError):
            _log.error(
                "%s: unexpected %s at %s/%d/%d",
                self._enrichment.name,
                type(error).__name__,
                way.record.topic,
                way.record.partition,
                way.record.offset,
            )
        value = self._codecs.dead_letters.encode(envelope(death, self._enrichment, self._keyring, now, whole=whole))
        headers = _headers(way) if whole else _own_headers(way)
        if death.next_try_at is not None:
            headers = (*headers, (NEXT_TRY, death.next_try_at.isoformat().encode()))
        return death, [
            Output(self._spec.dead_letters, way.record.key, value, headers, way),
            self._audit(way, now, "DEAD_LETTER", death),
            *self._usage(way, now, death.attempts),
        ]

    def _next_try(self, way: Way, error: Exception, tries: int, now: datetime) -> datetime | None:
        """None as well for what a person sent again with other means than the enrichment's: that is theirs to judge."""
        policy = ChancePolicy.of(self._spec.second_chance)
        special = any(name == OVERRIDE for name, _ in way.record.headers)
        if special or way.record.value is None or not isinstance(error, RecordError):
            return None
        return policy.next_try(error.cause, tries, now)


def event_id_of(record: Record) -> str:
    """The publisher's own (header), else one that is always the same for these coordinates."""
    given = next((value for name, value in record.headers if name == EVENT_ID), None)
    if given and len(given) <= 200 and given.isascii():
        return given.decode("ascii")
    return str(uuid.uuid5(_EVENTS, f"{record.topic}/{record.partition}/{record.offset}"))


def _headers(way: Way) -> Headers:
    """The publisher's headers travel on; ours are set anew."""
    kept = tuple((name, value) for name, value in way.record.headers if name not in _OURS)
    return (*kept, (EVENT_ID, way.event_id.encode()))


def _own_headers(way: Way) -> Headers:
    """For the ledgers: what ties their records together, and nothing else that a publisher may have put there."""
    return tuple((name, value) for name, value in _headers(way) if name in _TYING)


def _digest(prompt: RenderedPrompt | None) -> str:
    return hashlib.sha256(f"{prompt.system}\0{prompt.user.text}".encode()).hexdigest() if prompt else ""


def _preview(redaction: Redaction | None) -> str:
    return "\n".join(text.text for text in redaction.fields.values()) if redaction else ""
