"""The envelope: everything a person needs to understand a record that died, and all bytes needed to send it again."""

from __future__ import annotations

import hashlib
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from pipeline import __version__
from pipeline.catalogue import Enrichment
from pipeline.deadletters.history import OURS, history_of
from pipeline.errors import Attempted, Cause, RecordError, Stage
from pipeline.stream.record import Record
from pipeline.vault import Keyring, associated_data

PREVIEW_CHARACTERS = 500
_NUMBER = re.compile(r"\d+")
_LAST_MS = 253_402_300_799_000
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Death:
    """What is known about a record when it dies."""

    record: Record
    event_id: str
    error: Exception
    tenant_id: str = ""
    entity_id: str = ""
    schema_id: int | None = None
    preview: str = ""
    attempts: Sequence[Attempted] = ()
    """The calls made for it, whether or not the error is about them."""
    first_offset: int | None = None
    """Where it first stood, when it was sent again."""
    tries: int = 0
    """How often it was sent again by itself."""
    next_try_at: datetime | None = None
    """When it will be."""

    @property
    def stage(self) -> Stage:
        return self.error.stage if isinstance(self.error, RecordError) else Stage.PROCESS

    @property
    def cause(self) -> Cause:
        return self.error.cause if isinstance(self.error, RecordError) else Cause.UNEXPECTED


def envelope(
    death: Death, enrichment: Enrichment, keyring: Keyring, now: datetime, *, whole: bool = True
) -> dict[str, object]:
    """The dead letter's record. `whole` false leaves the original out: it stays where it is, in the input topic."""
    record, value = death.record, death.record.value
    history = history_of(record)
    bound = sealed_to({"source": source(record), "event_id": death.event_id})
    return {
        "event_id": death.event_id,
        "tenant_id": death.tenant_id,
        "entity_id": death.entity_id,
        "source": source(record),
        "key": record.key,
        "headers": [{"name": name, "value": data} for name, data in record.headers if name not in OURS and whole],
        "original": None if value is None or not whole else keyring.seal(value, bound),
        "original_size": len(value or b""),
        "original_sha256": "" if value is None else keyring.digest(value),
        "preview": death.preview[:PREVIEW_CHARACTERS] if whole else "",
        "stage": death.stage,
        "cause": death.cause,
        "message": _message(death),
        "traceback": _traceback(death),
        "fingerprint": fingerprint(death, enrichment),
        "attempts": [attempt(made, enrichment.spec.prompt.version) for made in death.attempts],
        "enrichment": enrichment.name,
        "enrichment_version": enrichment.spec.version,
        "prompt_version": enrichment.spec.prompt.version,
        "pipeline_version": __version__,
        "schema_id": death.schema_id,
        "trace_id": _trace_id(record),
        "received_at": received_at(record),
        "first_failed_at": history.first_failed_at or now,
        "failed_at": now,
        "replays": list(history.replays),
        "first_offset": death.first_offset,
        "tries": death.tries,
        "next_try_at": death.next_try_at,
    }


def source(record: Record) -> dict[str, object]:
    """The coordinates of an input record, as every output has them."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": kafka_time(record.timestamp_ms),
    }


def kafka_time(timestamp_ms: int) -> datetime:
    """A Kafka timestamp; one that no calendar holds becomes the nearest that does (some publishers send others)."""
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), _LAST_MS) / 1000, UTC)


def received_at(record: Record) -> datetime:
    """When the record first reached Kafka: of one sent again, when its original did."""
    return history_of(record).received_at or kafka_time(record.timestamp_ms)


def replay_of(record: Record) -> str:
    """The id of the replay that sent the record; empty when none did."""
    replays = history_of(record).replays
    return str(replays[-1]["replay_id"]) if replays else ""


def attempt(made: Attempted, prompt_version: str) -> dict[str, object]:
    """One call, as dead letters keep it."""
    return {
        "provider": made.provider,
        "model": made.model,
        "tier": made.tier,
        "outcome": str(made.outcome),
        "status": made.status,
        "latency_ms": round(made.latency_s * 1000),
        "prompt_version": prompt_version,
        "input_tokens": made.input_tokens,
        "output_tokens": made.output_tokens,
        "cost_usd": made.cost_usd.quantize(Decimal("1e-10")),
    }


def sealed_to(letter: Mapping[str, object]) -> bytes:
    """What the sealed original of an envelope is bound to: it opens nowhere else."""
    at = cast(Mapping[str, object], letter["source"])
    return associated_data(
        str(at["topic"]), int(cast(int, at["partition"])), int(cast(int, at["offset"])), str(letter["event_id"])
    )


def fingerprint(death: Death, enrichment: Enrichment) -> str:
    """The same for the same cause and shape: enrichment, stage, cause, and where in the code the unforeseen arose."""
    parts = [enrichment.name, death.stage, death.cause]
    if not isinstance(death.error, RecordError):
        frames = traceback.extract_tb(death.error.__traceback__)
        parts += [type(death.error).__name__, *(f"{frame.name}:{frame.lineno}" for frame in frames[-1:])]
    elif death.cause in (Cause.CONTRACT_BROKEN, Cause.ANSWER_INVALID, Cause.SCHEMA_UNKNOWN):
        # Places in lists and counts differ from record to record, what is wrong there does not.
        parts.append(_NUMBER.sub("#", death.error.message))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _message(death: Death) -> str:
    if isinstance(death.error, RecordError):
        return death.error.message
    return f"{type(death.error).__name__} in {_last_frame(death.error)}"


def _last_frame(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "unknown place"


def _traceback(death: Death) -> str:
    """Frames only, without the exceptions' own texts and without source lines: those may quote the record."""
    if isinstance(death.error, RecordError):
        return ""
    lines = []
    error: BaseException | None = death.error
    while error is not None:
        lines.append(type(error).__name__)
        lines += [
            f"  {frame.filename.rpartition('/pipeline/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def _trace_id(record: Record) -> str:
    """From the W3C traceparent header."""
    value = next((value for name, value in record.headers if name == "traceparent"), None)
    parts = (value or b"").decode("ascii", "replace").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""
