"""From a decoded record to a question for the gateway: personal data out, the prompt rendered, the answer's rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pydantic import BaseModel, ValidationError

from pipeline import contract, paths
from pipeline.catalogue import Enrichment
from pipeline.errors import UsageError
from pipeline.jsontext import to_json
from pipeline.llm import (
    Invalid,
    InvalidAnswerError,
    Lane,
    LengthPolicy,
    Outage,
    PromptTemplate,
    Question,
    RenderedPrompt,
    Tier,
    TooLong,
    estimate_tokens,
)
from pipeline.redact import PiiType, Redacted, Redaction, Redactor

TenantKey = Callable[[str], bytes]
"""A tenant's own key, under which a policy's hashed types are hashed."""


_INDEX: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Reading:
    """A record without its personal data. `places`: variable of the prompt to the paths of the texts that fill it."""

    redaction: Redaction
    places: Mapping[str, tuple[str, ...]]


class Questions:
    """Those of one enrichment. Raises UsageError when its prompt and its settings do not go together."""

    def __init__(
        self, enrichment: Enrichment, redactor: Redactor, tiers: Sequence[Tier], tenant_key: TenantKey | None = None
    ) -> None:
        """`tenant_key`: needed where the policy hashes values."""
        self._tenant_key = tenant_key
        self._enrichment, self._spec, self._redactor = enrichment, enrichment.spec, redactor
        self._prompt = PromptTemplate.load(enrichment.prompt_file)
        self._context = {"labels": "\n".join(f"- {label.label}: {label.description}" for label in self._spec.labels)}
        self._length = LengthPolicy(self._spec.limits.input_tokens, TooLong(self._spec.limits.too_long))
        # Raises now, not record by record, when the prompt and the enrichment name different variables.
        self._prompt.render(self._context, dict.fromkeys(self._spec.prompt.fields, Redacted.authored("")), self._length)
        self._tiers = tuple(tiers)
        self._schema_tokens = estimate_tokens(to_json(enrichment.provider_schema).decode())
        self._direct = [
            (path, _pii_type(path, str(field["pii"])))
            for path, field in contract.marked(enrichment.input_schema.schema, "personal", "direct")
            if "pii" in field
        ]
        answer = contract.field_type(enrichment.output_schema.schema, self._spec.answer)
        self._allowed = {
            path: frozenset(_pii_type(path, str(kind)) for kind in cast(Sequence[object], field["may_hold"]))
            for path, field in contract.annotated(answer, "may_hold")
        }
        safe = enrichment.fallback
        self._fallback = None if safe is None else lambda: safe

    def redact(self, decoded: Mapping[str, object]) -> Reading:
        """Raises RedactionError."""
        texts: dict[str, str] = {}
        places: dict[str, tuple[str, ...]] = {}
        for variable, path in self._spec.prompt.fields.items():
            found = dict(paths.strings(decoded, path))
            places[variable] = tuple(found)
            texts |= found
        known: dict[PiiType, list[str]] = {}
        for path, kind in self._direct:
            for _, value in paths.strings(decoded, path):
                known.setdefault(kind, []).append(value)
        key = None if self._tenant_key is None else self._tenant_key(str(decoded.get(self._spec.tenant, "")))
        return Reading(self._redactor.redact(texts, known, key), places)

    def render(self, reading: Reading) -> RenderedPrompt:
        """Raises PromptError when it does not fit, LeakError when a personal value is still in it."""
        fields = reading.redaction.fields
        user = {variable: _joined([fields[at] for at in places]) for variable, places in reading.places.items()}
        prompt = self._prompt.render(self._context, user, self._length)
        reading.redaction.check_prompt(prompt.user.text)
        return prompt

    def question(
        self, tenant: str, prompt: RenderedPrompt, redaction: Redaction, *, replayed: bool = False
    ) -> Question[BaseModel]:
        """What the gateway is asked. A record that was sent again lets all interactive ones go first."""
        return Question(
            enrichment=self._enrichment.name,
            tenant=tenant,
            prompt=prompt,
            schema_name=self._enrichment.name,
            schema=self._enrichment.provider_schema,
            tiers=self._tiers,
            read=lambda data: self._read(data, redaction),
            outage=Outage(self._spec.outage),
            invalid=Invalid(self._spec.invalid),
            fallback=self._fallback,
            lane=Lane.BACKLOG if replayed else Lane(self._spec.lane),
            confidence=confidence_of,
            deadline=self._spec.limits.deadline,
            schema_tokens=self._schema_tokens,
        )

    def check(self, answer: BaseModel, redaction: Redaction) -> None:
        """Raises LeakError when personal data stands in a model's answer that its schema does not allow there."""
        for at, text in texts_of(answer).items():
            redaction.check_answer({at: text}, self._allowed.get(_INDEX.sub("[]", at), frozenset()))

    def _read(self, data: Mapping[str, object], redaction: Redaction) -> BaseModel:
        """The model's answer, validated: bounds, labels, and no placeholder that stands for nobody."""
        try:
            answer = self._enrichment.answer.model_validate(data)
        except ValidationError as error:
            raise InvalidAnswerError(contract.problems(error)) from None
        strange = [at for at, text in texts_of(answer).items() if redaction.placeholders_unknown(text)]
        if strange:
            raise InvalidAnswerError([f"{at}: holds a placeholder that is not in the text" for at in strange])
        return answer


def confidence_of(answer: BaseModel) -> float:
    """The answer's own; 1 where its schema has none."""
    value = getattr(answer, "confidence", 1.0)
    return float(value)


def texts_of(answer: BaseModel) -> dict[str, str]:
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


def _pii_type(path: str, name: str) -> PiiType:
    """The kind that a schema's annotation names. Raises UsageError when there is no such kind."""
    try:
        return PiiType(name)
    except ValueError:
        raise UsageError(f"field {path}: pii {name} is none of {', '.join(PiiType)}") from None


def _joined(parts: Sequence[Redacted]) -> Redacted:
    """Several texts for one variable, a blank line between them."""
    pieces: list[Redacted] = []
    for part in parts:
        pieces += [Redacted.authored("\n\n"), part] if pieces else [part]
    return Redacted.assemble(*pieces)
