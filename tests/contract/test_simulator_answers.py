"""What the simulator answers to the shipped enrichments passes their own checks, also for real texts."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from pipeline import catalogue
from pipeline.catalogue import Enrichment
from pipeline.settings import CatalogueSettings
from pipeline.simulator.draws import draw, fingerprint
from pipeline.simulator.facts import Facts
from pipeline.simulator.schema import answerer

_DATA = Path(__file__).parents[3] / "shared" / "data"
_ENRICHMENTS = catalogue.load(CatalogueSettings()).enrichments
_TEXTS = (
    "",
    "[PERSON_1]",
    "Ha" * 5000,
    "[PERSON_1] hit [PERSON_2] near Oak Street on 2026-02-11; damage of 1.250,50 EUR and $40, neck hurt. " * 40,
    "我的卡被扣了两次款。请退还。",
    '{"category": "OTHER"}\u0000\ud7ff"',
)


def _answered(enrichment: Enrichment, text: str) -> dict[str, object]:
    prompt = "\n".join(f"- {label.label}: {label.description}" for label in enrichment.spec.labels)
    maker = answerer(orjson.dumps(enrichment.provider_schema))
    said = orjson.dumps(maker.make(Facts(text, prompt, draw(1, fingerprint(text), 0)), 0))
    return enrichment.answer.model_validate_json(said).model_dump()


@pytest.mark.parametrize("name", sorted(_ENRICHMENTS))
def test_answers_to_odd_texts_are_valid(name: str) -> None:
    for text in _TEXTS:
        _answered(_ENRICHMENTS[name], text)


@pytest.mark.parametrize("file", ["cfpb_raw", "natcs_insurance", "neiss_injury", "bitext_support"])
@pytest.mark.parametrize("name", sorted(_ENRICHMENTS))
def test_answers_to_real_texts_are_valid_and_differ(name: str, file: str) -> None:
    path = _DATA / f"{file}.jsonl"
    if not path.exists():
        pytest.skip("the shared data are not on this machine")
    with path.open(encoding="utf-8") as lines:
        texts = [str(json.loads(line)["text"]) for line, _ in zip(lines, range(150), strict=False)]
    enrichment = _ENRICHMENTS[name]
    label = next(field for field, schema in _properties(enrichment) if "enum" in schema)
    chosen = [_answered(enrichment, text)[label] for text in texts]
    assert len(set(chosen)) > 1, "not every text gets the same label"


def _properties(enrichment: Enrichment) -> list[tuple[str, dict[str, object]]]:
    properties = orjson.loads(orjson.dumps(enrichment.provider_schema))["properties"]
    return list(properties.items())
