"""The way of a record from text to checked answer without Kafka, everything on it noted: for authors of prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import BaseModel

from pipeline.catalogue import Enrichment
from pipeline.conditions import meets
from pipeline.errors import Cause, RecordError
from pipeline.llm import (
    Attempt,
    Completion,
    Gateway,
    InvalidAnswerError,
    Lane,
    Outage,
    RenderedPrompt,
    Tier,
)
from pipeline.questions import Questions
from pipeline.redact import Redactor
from pipeline.serde import JsonCodec


@dataclass(slots=True)
class Rehearsed:
    """What became of one record. `problems` are what was wrong with each answer that was not valid, in order."""

    entity: str = ""
    prompt: RenderedPrompt | None = None
    schema_tokens: int = 0
    """Estimated tokens of the answer's schema, which goes with every call."""
    redactions: Mapping[str, int] = field(default_factory=dict)
    completion: Completion[BaseModel] | None = None
    answer: Mapping[str, object] | None = None
    """With what the enrichment's checks add; placeholders stay."""
    attempts: list[Attempt] = field(default_factory=list)
    problems: list[tuple[str, ...]] = field(default_factory=list)
    skipped: bool = False
    """The enrichment's `when` leaves it out."""
    error: str = ""
    cause: str = ""
    seconds: float = 0.0


class Rehearsal:
    """Asks for records of one enrichment, as its worker would."""

    def __init__(self, enrichment: Enrichment, redactor: Redactor, gateway: Gateway, tiers: Sequence[Tier]) -> None:
        self._enrichment, self._spec = enrichment, enrichment.spec
        self._questions = Questions(enrichment, redactor, tiers)
        self._codec = JsonCodec(enrichment.input_schema.schema)
        self._gateway = gateway

    async def run(self, line: bytes) -> Rehearsed:
        """One record as JSON. An outage is not waited for. Raises nothing that is the record's own failure."""
        found, began = Rehearsed(), time.perf_counter()
        try:
            await self._run(line, found)
        except RecordError as error:
            found.error, found.cause = error.message, str(error.cause)
        except Exception as error:  # noqa: BLE001  # as in a worker: a record's failure is that record's
            found.error, found.cause = f"unexpected {type(error).__name__}, perhaps in checks.py", Cause.UNEXPECTED
        found.seconds = time.perf_counter() - began
        return found

    async def _run(self, line: bytes, found: Rehearsed) -> None:
        record = (await self._codec.decode(line)).record
        found.entity = str(record.get(self._spec.entity, ""))
        if not meets(self._spec.when, record):
            found.skipped = True
            return
        reading = self._questions.redact(record)
        found.redactions = dict(reading.redaction.counts)
        found.prompt = self._questions.render(reading)
        question = self._questions.question(str(record.get(self._spec.tenant, "")), found.prompt, reading.redaction)
        found.schema_tokens = question.schema_tokens
        outage = Outage.DEAD_LETTER if question.outage is Outage.WAIT else question.outage
        read = _noting(question.read, found.problems)
        question = replace(question, outage=outage, patient=False, lane=Lane.INTERACTIVE, read=read)
        found.completion = completion = await self._gateway.complete(question, found.attempts)
        if not completion.safe:
            self._questions.check(completion.answer, reading.redaction)
        said = completion.answer.model_dump()
        found.answer = {**said, **self._enrichment.checks.finish(said, record, self._spec, datetime.now(UTC))}


Read = Callable[[Mapping[str, object]], BaseModel]


def _noting(read: Read, problems: list[tuple[str, ...]]) -> Read:
    def noted(data: Mapping[str, object]) -> BaseModel:
        try:
            return read(data)
        except InvalidAnswerError as error:
            problems.append(error.problems)
            raise

    return noted
