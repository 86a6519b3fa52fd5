"""Whether an enrichment would take a value: all of its way up to the call, without a call."""

from __future__ import annotations

from pipeline.catalogue import Enrichment
from pipeline.errors import Cause, DecodeError
from pipeline.llm import Tier
from pipeline.questions import Questions
from pipeline.redact import Redactor
from pipeline.serde import Decoder, decode_now


class Acceptance:
    """That of one enrichment."""

    def __init__(self, enrichment: Enrichment, decoder: Decoder, redactor: Redactor) -> None:
        """`decoder` is the input topic's, bounds checked."""
        self._enrichment, self._decoder = enrichment, decoder
        nobody: tuple[Tier, ...] = ()
        self._questions = Questions(enrichment, redactor, nobody, lambda _: b"")

    def check(self, value: bytes) -> None:
        """Raises RecordError that names the field or limit, without the value: it would be a dead letter at once."""
        most = self._enrichment.spec.limits.record_bytes
        if len(value) > most:
            raise DecodeError(f"the value has {len(value)} bytes, the limit is {most}", cause=Cause.TOO_LARGE)
        decoded = decode_now(self._decoder, value).record
        self._questions.render(self._questions.redact(decoded))
