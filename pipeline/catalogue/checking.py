"""What an enrichment says, against the schemas and topics it names: found out at the start, not record by record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError

from pipeline import contract
from pipeline.catalogue.entries import Catalogue
from pipeline.catalogue.specs import STATUS_TOPIC, EnrichmentSpec, Format, group_of
from pipeline.errors import UsageError

FALLBACK = "fallback"
"""The tier that stands in the provenance of a safe answer."""
_WRITTEN = frozenset({"event_id", "tenant_id", "source", "enriched_at", "provenance"})
"""Fields of every output record, beside the entity and the answer."""


def check_input(spec: EnrichmentSpec, schema: contract.Schema) -> None:
    """Every path reaches what it is used for; no direct identifier goes into a prompt. Raises UsageError."""
    direct = [path for path, _ in contract.marked(schema, "personal", "direct")]
    for variable, path in spec.prompt.fields.items():
        if any(_overlap(path, other) for other in direct):
            raise UsageError(f"prompt.fields.{variable} names {path}, a direct identifier: it is never sent")
        if contract.type_at(schema, path) != "string":
            raise UsageError(f"prompt.fields.{variable} names {path}, which is no text of {schema['name']}")
    for path in (spec.entity, spec.tenant):
        if contract.type_at(schema, path) != "string" or "." in path:
            raise UsageError(f"{path} is no text field of {schema['name']}")
    for path in spec.when:
        if contract.type_at(schema, path) is None or "[" in path or "*" in path:
            raise UsageError(f"when.{path} is no single field of {schema['name']}")


def check_output(spec: EnrichmentSpec, schema: contract.Schema, answer: contract.Schema, *, has_checks: bool) -> None:
    """The output record has what is written into it, and somebody for each field of the answer. Raises UsageError."""
    fields = {str(field["name"]): field for field in contract.fields(schema)}
    wanted = _WRITTEN | {spec.entity, spec.answer}
    if missing := wanted - fields.keys():
        raise UsageError(f"schema {schema['name']} has no field {min(missing)}: every output has it")
    if unknown := [name for name in fields.keys() - wanted if "default" not in fields[name]]:
        raise UsageError(f"schema {schema['name']}: nobody fills field {min(unknown)}, which has no default")
    for path in _unanswered(answer, ""):
        raise UsageError(f"{spec.answer}.{path} says neither `answer: model` nor `answer: code`")
    by_code = [field for field in contract.fields(answer) if field.get("answer") == "code"]
    if by_code and not has_checks:
        raise UsageError(f"{spec.answer}.{by_code[0]['name']} is `answer: code`, but there is no checks.py")
    if contract.marked(answer, "labels", True) and not spec.labels:
        raise UsageError("the schema asks for a label, but there are no labels")
    if len({label.label for label in spec.labels}) != len(spec.labels):
        raise UsageError("labels: a label stands there twice")


def safe_answer(spec: EnrichmentSpec, model: type[BaseModel]) -> BaseModel | None:
    """`fallback` as an answer, held to what a model's would be held to; None when there is none.

    Raises UsageError when it is not valid, is needed and not there, or does not ask for a person to look at it.
    """
    if any(tier.name == FALLBACK for tier in spec.tiers):
        raise UsageError(f"tiers: no tier may be called {FALLBACK}: the safe answer goes by that name")
    if spec.fallback is None:
        if any(tier.answer for tier in spec.tiers):
            raise UsageError("a tier's answer says how it differs from `fallback`, but there is no `fallback`")
        for key in ("outage", "invalid"):
            if getattr(spec, key) == "fallback":
                raise UsageError(f"{key} says fallback, but there is no `fallback` with the safe answer")
        return None
    if unknown := spec.fallback.keys() - model.model_fields.keys():
        raise UsageError(f"fallback.{min(unknown)} is no field that a model answers")
    try:
        answer = model.model_validate(spec.fallback)
    except ValidationError as error:
        raise UsageError(f"fallback: {'; '.join(contract.problems(error, most=3))}") from None
    for place, tier in enumerate(spec.tiers):
        _check_rest(f"tiers[{place}].answer", tier.answer, spec.fallback, model)
    for field, needed in (("needs_human", True), ("confidence", 0.0)):
        if getattr(answer, field, needed) != needed:
            raise UsageError(f"fallback.{field} must be {str(needed).lower()}: no model has read the record")
    return answer


def _check_rest(where: str, said: Mapping[str, object], fallback: Mapping[str, object], model: type[BaseModel]) -> None:
    if unknown := said.keys() - model.model_fields.keys():
        raise UsageError(f"{where}.{min(unknown)} is no field that a model answers")
    try:
        model.model_validate({**fallback, **said})
    except ValidationError as error:
        raise UsageError(f"{where}: {'; '.join(contract.problems(error, most=3))}") from None


def check_access(spec: EnrichmentSpec, known: Catalogue) -> None:
    """The topics' own files name the enrichment, so that rights derived from them suffice. Raises UsageError."""
    worker = group_of(spec.name)
    if known.topic(spec.dead_letters).value.format is not Format.AVRO:
        raise UsageError(f"topic {spec.dead_letters} does not hold Avro: dead letters are nothing else")
    if worker not in known.topic(spec.input).consumers:
        raise UsageError(f"topic {spec.input} does not name {worker} among its consumers")
    for topic in (spec.output, spec.dead_letters, spec.audit, spec.usage):
        if not {worker, group_of("*")} & set(known.topic(topic).producers):
            raise UsageError(f"topic {topic} does not name {worker} among its producers")
    if spec.second_chance is not None:
        _check_second_chance(spec, known)


def _check_second_chance(spec: EnrichmentSpec, known: Catalogue) -> None:
    """Its worker reads dead letters, what was done about them and, for what has overtaken them, outputs; it writes to
    the input and says so."""
    worker = group_of(spec.name)
    for topic in (spec.dead_letters, spec.output, STATUS_TOPIC):
        if not {worker, group_of("*")} & set(known.topic(topic).consumers):
            raise UsageError(f"second_chance: topic {topic} does not name {worker} among its consumers")
    for topic in (spec.input, STATUS_TOPIC):
        if not {worker, group_of("*")} & set(known.topic(topic).producers):
            raise UsageError(f"second_chance: topic {topic} does not name {worker} among its producers")


def _overlap(used: str, direct: str) -> bool:
    """Whether a path reaches a direct identifier or something that holds it; `*` stands for every field."""
    pairs = zip(used.replace("[]", "").split("."), direct.replace("[]", "").split("."), strict=False)
    return all(one == other or "*" in (one, other) for one, other in pairs)


def _unanswered(answer: contract.Schema, at: str) -> Iterator[str]:
    """Fields that a model is asked for as part of something, or that stand in the answer, marked neither way."""
    for field in contract.fields(answer):
        path = f"{at}{field['name']}"
        mark = field.get("answer")
        if mark not in ("model", "code"):
            yield path
        if mark == "model":
            item = contract.items_of(field["type"])
            inner = contract.record_of(field["type"] if item is None else item)
            if inner is not None:
                yield from _unanswered(inner, f"{path}.")
