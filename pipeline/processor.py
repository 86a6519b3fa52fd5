"""The way of one record, from bytes to bytes; each step is a call to the room that owns it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from pydantic import BaseModel

from pipeline import paths
from pipeline.catalogue import Enrichment
from pipeline.conditions import meets
from pipeline.deadletters.envelope import Death, fingerprint, received_at, replay_of
from pipeline.deadletters.newer import Newer, Stood
from pipeline.errors import Cause, ContractError, DecodeError
from pipeline.llm import Completion, Gateway, Tier
from pipeline.outputs import OutputWriter, Way, event_id_of
from pipeline.questions import Questions, Reading, TenantKey
from pipeline.redact import Redaction, Redactor
from pipeline.serde import Decoder
from pipeline.stream.record import Output, Record
from pipeline.telemetry.outcomes import Outcomes
from pipeline.variants import Variants


class EnrichmentProcessor:
    """Enriches the records of one input topic. Implements the engine's Processor."""

    def __init__(
        self,
        enrichment: Enrichment,
        decoder: Decoder,
        writer: OutputWriter,
        redactor: Redactor,
        gateway: Gateway,
        tiers: Sequence[Tier],
        outcomes: Outcomes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tenant_key: TenantKey | None = None,
        newer: Newer | None = None,
    ) -> None:
        """`newer` is needed where the enrichment gives dead letters a second chance."""
        self._enrichment, self._spec = enrichment, enrichment.spec
        self._decoder, self._writer, self._gateway = decoder, writer, gateway
        self._outcomes, self._now = outcomes, now
        self._newer = newer
        self._variants = Variants(enrichment, writer, redactor, tiers, tenant_key)

    # ---- the way

    async def process(self, record: Record) -> Sequence[Output]:
        """One record's output, audit and usage; or its dead letter; or nothing, when its `when` filter says so."""
        way = Way(record, event_id_of(record))
        try:
            decoded = await self._decode(way)
            if not meets(self._spec.when, decoded):
                self._outcomes.skipped(self._enrichment.name)
                return self._writer.skipped(way, self._now())
            if await self._overtaken(way):
                self._outcomes.overtaken(self._enrichment.name)
                return self._writer.overtaken(way, self._now())
            variant = self._variants.of(way)
            reading = variant.questions.redact(decoded)
            completion = await self._ask(way, reading, variant.questions)
            said = completion.answer.model_dump()
            answer = self._restore(said, reading.redaction) | self._check(said, decoded, record)
            outputs = variant.writer.enriched(way, completion, answer, self._now())
            self._outcomes.enriched(self._enrichment.name, completion.cost_usd, safe=completion.safe)
            if self._newer is not None and (stood := self._stood(way)) is not None:
                self._newer.enriched(stood)
            return outputs
        except Exception as error:  # noqa: BLE001  # a record's failure is that record's, not the worker's
            return self._dead(way, error)

    async def _decode(self, way: Way) -> Mapping[str, object]:
        record = way.record
        if record.value is None:
            raise DecodeError("the value is null: a tombstone says nothing to enrich", cause=Cause.NULL_VALUE)
        if not record.value:
            raise DecodeError("the value is empty", cause=Cause.EMPTY_VALUE)
        size, most = record.size, self._spec.limits.record_bytes
        if size > most:
            raise DecodeError(
                f"key, value and headers have {size} bytes, the limit is {most} (limits.record_bytes)",
                cause=Cause.TOO_LARGE,
            )
        _check_key(record.key)
        decoded = await self._decoder.decode(record.value)
        way.schema_id = decoded.schema_id
        way.tenant_id = str(decoded.record.get(self._spec.tenant, ""))
        way.entity_id = str(decoded.record.get(self._spec.entity, ""))
        return decoded.record

    async def _overtaken(self, way: Way) -> bool:
        """Whether a record that was sent again by itself has a newer one of its entity before it."""
        returned, stood = self._writer.returned(way), self._stood(way)
        if self._newer is None or returned is None or not returned.tries or stood is None:
            return False
        return await self._newer.overtaken(stood, returned.died_at)

    def _stood(self, way: Way) -> Stood | None:
        """Where the record first stood; None where there is no order: without a key."""
        if way.record.key is None:
            return None
        returned = self._writer.returned(way)
        place = way.record.offset if returned is None else returned.first_offset
        return Stood(way.record.partition, way.record.key, way.tenant_id, way.entity_id, place)

    async def _ask(self, way: Way, reading: Reading, questions: Questions) -> Completion[BaseModel]:
        redaction = way.redaction = reading.redaction
        way.prompt = questions.render(reading)
        replayed = bool(replay_of(way.record))
        question = questions.question(way.tenant_id, way.prompt, redaction, replayed=replayed)
        way.completion = await self._gateway.complete(question, way.attempts)
        if not way.completion.safe:
            questions.check(way.completion.answer, redaction)
        return way.completion

    def _restore(self, answer: dict[str, object], redaction: Redaction) -> dict[str, object]:
        restored: object = answer
        for path in self._enrichment.restored:
            restored = paths.replaced(restored, path, redaction.restore)
        return cast(dict[str, object], restored)

    def _check(self, answer: Mapping[str, object], decoded: Mapping[str, object], record: Record) -> dict[str, object]:
        return dict(self._enrichment.checks.finish(answer, decoded, self._spec, received_at(record)))

    # ---- records that die

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        """The dead letter of a record whose `process` did not even come to one."""
        return self._dead(Way(record, event_id_of(record)), error)

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        """The dead letter of a record whose output Kafka refuses."""
        counted = any(isinstance(output.origin, Way) and output.origin.died for output in outputs)
        death, letters = self._writer.refused(record, outputs, refused, reason, self._now())
        if not counted:
            self._outcomes.unwritten(self._enrichment.name)
            self._count(death)
            way = next((output.origin for output in outputs if isinstance(output.origin, Way)), None)
            if self._newer is not None and way is not None and (stood := self._stood(way)) is not None:
                self._newer.unwritten(stood)
        return letters

    def _dead(self, way: Way, error: Exception) -> Sequence[Output]:
        death, letters = self._variants.writer(way).dead(way, error, self._now())
        self._count(death)
        return letters

    def _count(self, death: Death) -> None:
        cost = sum((made.cost_usd for made in death.attempts), Decimal(0))
        self._outcomes.dead(self._enrichment.name, death.stage, death.cause, cost, fingerprint(death, self._enrichment))


def _check_key(key: bytes | None) -> None:
    """Keys are text; a number or an Avro key would be ordered by another rule than its publisher thinks."""
    try:
        text = (key or b"").decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        raise ContractError(
            "the key is not text: keys are UTF-8 strings without control characters", cause=Cause.KEY_INVALID
        )
