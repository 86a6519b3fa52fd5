"""The way of one record, from bytes to bytes; each step is a call to the room that owns it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from pydantic import BaseModel, ValidationError

from pipeline import contract, paths
from pipeline.catalogue import Enrichment
from pipeline.conditions import meets
from pipeline.deadletters.envelope import Death, received_at
from pipeline.errors import Cause, ContractError, DecodeError, UsageError
from pipeline.llm import (
    Completion,
    Gateway,
    InvalidAnswerError,
    Lane,
    LengthPolicy,
    Outage,
    PromptTemplate,
    Question,
    Tier,
    TooLong,
)
from pipeline.outputs import OutputWriter, Way, confidence_of, event_id_of
from pipeline.redact import PiiType, Redacted, Redaction, Redactor
from pipeline.serde import Decoder
from pipeline.stream.record import Output, Record
from pipeline.telemetry.outcomes import Outcomes


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
    ) -> None:
        self._enrichment, self._spec = enrichment, enrichment.spec
        self._decoder, self._writer, self._redactor, self._gateway = decoder, writer, redactor, gateway
        self._outcomes, self._now = outcomes, now
        self._prompt = PromptTemplate.load(enrichment.prompt_file)
        self._context = {"labels": "\n".join(f"- {label.label}: {label.description}" for label in self._spec.labels)}
        self._length = LengthPolicy(self._spec.limits.input_tokens, TooLong(self._spec.limits.too_long))
        # Raises now, not record by record, when the prompt and the enrichment name different variables.
        self._prompt.render(self._context, dict.fromkeys(self._spec.prompt.fields, Redacted.authored("")), self._length)
        self._tiers = tuple(tiers)
        schema = enrichment.input_schema.schema
        self._direct = [
            (path, _pii_type(path, str(field["pii"])))
            for path, field in contract.marked(schema, "personal", "direct")
            if "pii" in field
        ]

    # ---- the way

    async def process(self, record: Record) -> Sequence[Output]:
        """One record's output, audit and usage; or its dead letter; or nothing, when its `when` filter says so."""
        way = Way(record, event_id_of(record))
        try:
            decoded = await self._decode(way)
            if not meets(self._spec.when, decoded):
                self._outcomes.skipped(self._enrichment.name)
                return ()
            redaction = self._redact(way, decoded)
            completion = await self._ask(way, redaction)
            said = completion.answer.model_dump()
            answer = self._restore(said, redaction) | self._check(said, decoded, record)
            outputs = self._writer.enriched(way, completion, answer, self._now())
            self._outcomes.enriched(self._enrichment.name, completion.cost_usd)
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

    def _redact(self, way: Way, decoded: Mapping[str, object]) -> Redaction:
        texts: dict[str, str] = {}
        for variable, path in self._spec.prompt.fields.items():
            found = dict(paths.strings(decoded, path))
            way.texts[variable] = tuple(found)
            texts |= found
        known: dict[PiiType, list[str]] = {}
        for path, kind in self._direct:
            for _, value in paths.strings(decoded, path):
                known.setdefault(kind, []).append(value)
        way.redaction = self._redactor.redact(texts, known)
        return way.redaction

    async def _ask(self, way: Way, redaction: Redaction) -> Completion[BaseModel]:
        user = {variable: _joined([redaction.fields[at] for at in places]) for variable, places in way.texts.items()}
        way.prompt = self._prompt.render(self._context, user, self._length)
        redaction.check_prompt(way.prompt.user.text)
        way.completion = await self._gateway.complete(
            Question(
                enrichment=self._enrichment.name,
                tenant=way.tenant_id,
                prompt=way.prompt,
                schema_name=self._enrichment.name,
                schema=self._enrichment.provider_schema,
                tiers=self._tiers,
                read=lambda data: self._read(data, redaction),
                outage=Outage(self._spec.outage),
                lane=Lane(self._spec.lane),
                confidence=confidence_of,
                deadline=self._spec.limits.deadline,
            ),
            way.attempts,
        )
        redaction.check_answer(_texts(way.completion.answer))
        return way.completion

    def _read(self, data: Mapping[str, object], redaction: Redaction) -> BaseModel:
        """The model's answer, validated: bounds, labels, and no placeholder that stands for nobody."""
        try:
            answer = self._enrichment.answer.model_validate(data)
        except ValidationError as error:
            raise InvalidAnswerError(contract.problems(error)) from None
        strange = [at for at, text in _texts(answer).items() if redaction.placeholders_unknown(text)]
        if strange:
            raise InvalidAnswerError([f"{at}: holds a placeholder that is not in the text" for at in strange])
        return answer

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
        return letters

    def _dead(self, way: Way, error: Exception) -> Sequence[Output]:
        death, letters = self._writer.dead(way, error, self._now())
        self._count(death)
        return letters

    def _count(self, death: Death) -> None:
        cost = sum((made.cost_usd for made in death.attempts), Decimal(0))
        self._outcomes.dead(self._enrichment.name, death.stage, death.cause, cost)


def _pii_type(path: str, name: str) -> PiiType:
    """The kind that a schema's annotation names. Raises UsageError when there is no such kind."""
    try:
        return PiiType(name)
    except ValueError:
        raise UsageError(f"field {path}: pii {name} is none of {', '.join(PiiType)}") from None


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


def _joined(parts: Sequence[Redacted]) -> Redacted:
    """Several texts for one variable, a blank line between them."""
    pieces: list[Redacted] = []
    for part in parts:
        pieces += [Redacted.authored("\n\n"), part] if pieces else [part]
    return Redacted.assemble(*pieces)


def _texts(answer: BaseModel) -> dict[str, str]:
    """Every string of an answer by its path."""
    found: dict[str, str] = {}
    stack: list[tuple[str, object]] = [("", answer.model_dump())]
    while stack:
        at, value = stack.pop()
        if isinstance(value, str):
            found[at] = value
        elif isinstance(value, Mapping):
            stack += [(f"{at}.{name}" if at else str(name), item) for name, item in value.items()]
        elif isinstance(value, list):
            stack += [(f"{at}[{index}]", item) for index, item in enumerate(value)]
    return found
