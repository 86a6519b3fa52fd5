"""What a model may write into an answer, field by field."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from pipeline.catalogue import Enrichment, load
from pipeline.errors import LeakError, UsageError
from pipeline.llm import Tier
from pipeline.questions import Questions
from pipeline.redact import Redactor
from pipeline.settings import CatalogueSettings
from pydantic import BaseModel

REDACTOR = Redactor()
CLAIM = {"claim_id": "C-1", "tenant_id": "acme", "description": "Somebody hit my parked car."}


def _claims(may_hold: object) -> Enrichment:
    shipped = load(CatalogueSettings()).enrichment("claims")
    schema = cast(dict[str, Any], copy.deepcopy(dict(shipped.output_schema.schema)))
    answer = _field(schema, shipped.spec.answer)["type"]
    _field(_field(answer, "parties")["type"]["items"], "name")["may_hold"] = may_hold
    return replace(shipped, output_schema=replace(shipped.output_schema, schema=schema))


def _field(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in record["fields"] if field["name"] == name)


def _questions(enrichment: Enrichment) -> Questions:
    return Questions(enrichment, REDACTOR, [Tier(**tier.model_dump()) for tier in enrichment.spec.tiers])


class Party(BaseModel):
    name: str


class Answer(BaseModel):
    summary: str
    parties: list[Party]


def _answer(**said: object) -> Answer:
    return Answer.model_validate({"summary": "A car was hit.", "parties": [{"name": "somebody"}], **said})


def test_a_kind_that_the_schema_allows_in_a_field_may_stand_there_and_nowhere_else() -> None:
    questions = _questions(_claims(["LICENSE_PLATE"]))
    redaction = questions.redact(cast(Mapping[str, object], CLAIM)).redaction
    plate = "car with licence plate AB12 CDE"
    questions.check(_answer(parties=[{"name": "a witness"}, {"name": plate}]), redaction)
    with pytest.raises(LeakError, match="summary"):
        questions.check(_answer(summary=f"Hit by a {plate}."), redaction)
    with pytest.raises(LeakError, match=r"parties\[0\]\.name"):
        questions.check(_answer(parties=[{"name": "jo@example.com"}]), redaction)


def test_a_kind_that_does_not_exist_is_told_at_start_up() -> None:
    with pytest.raises(UsageError, match=r"parties\[\]\.name: pii SHOE_SIZE is none of"):
        _questions(_claims(["SHOE_SIZE"]))
