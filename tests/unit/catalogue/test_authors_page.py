"""docs/enrichments.md: the third document type on it really works, from its files to an output record."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from pipeline import contract
from pipeline.catalogue import Catalogue, EnrichmentSpec, Format
from pipeline.errors import UsageError
from pipeline.llm import PromptTemplate
from pipeline.processor import EnrichmentProcessor
from pipeline.redact import Redacted
from pipeline.serde import AvroCodec, Registry
from pipeline.settings import RegistrySettings

from .conftest import Load

SAID = {
    "condition": "DAMAGED",
    "summary": "Cement arrived; three bags are torn.",
    "items": [{"article": "pallets of cement", "quantity_quote": "12 pallets"}],
    "signed": False,
    "confidence": 0.9,
}
NOW = datetime(2026, 3, 5, 7, tzinfo=UTC)


@pytest.fixture
def known(load: Load) -> Catalogue:
    return load()


def test_the_example_is_loaded(known: Catalogue) -> None:
    found = known.enrichment("delivery-notes")
    assert found.group == "enrichment-delivery-notes"
    assert found.input.value.format is Format.JSON
    assert found.restored == ("summary",)


def test_its_examples_are_valid(known: Catalogue) -> None:
    schema = known.enrichment("delivery-notes").input_schema
    assert {path.stem for path in schema.examples} == {"minimal", "full"}
    for path in schema.examples:
        record = contract.read_json(contract.record_model(schema.schema), path.read_bytes())
        assert record["supplier"] in ("", "Hill & Sons")


def test_its_prompt_takes_the_fields_it_is_given(known: Catalogue) -> None:
    found = known.enrichment("delivery-notes")
    fields = {name: Redacted.authored(path) for name, path in found.spec.prompt.fields.items()}
    rendered = PromptTemplate.load(found.prompt_file).render({"labels": "- DAMAGED"}, fields)
    assert "- DAMAGED" in rendered.system
    assert "supplier" in rendered.user.text


def test_a_models_answer_becomes_an_output_record(known: Catalogue) -> None:
    found = known.enrichment("delivery-notes")
    answer = found.answer.model_validate_json(json.dumps(SAID)).model_dump()
    by_code = dict(found.checks.finish(answer, {"text": ""}, found.spec, NOW))
    assert by_code == {"team": "quality", "pieces": 12}
    registry = Registry(RegistrySettings(url="mock://authors"))
    schema = found.output_schema
    codec = AvroCodec(registry, schema.schema, registry.register(schema.subject, schema.schema))
    record = {
        "event_id": "e",
        "tenant_id": "acme",
        "note_id": "D-2",
        "source": {"topic": found.input.topic, "partition": 0, "offset": 1, "timestamp": NOW},
        "enriched_at": NOW,
        "enrichment": answer | by_code,
        "provenance": {
            "enrichment": "delivery-notes",
            "enrichment_version": "1.0.0",
            "pipeline_version": "0.1.0",
            "provider": "openai",
            "model": "gpt-5-mini",
            "prompt_version": "1.0.0",
            "tier": "standard",
            "cached": False,
            "attempts": 1,
            "input_tokens": 1,
            "output_tokens": 1,
            "cost_usd": Decimal("0.0000000001"),
        },
    }
    decoded = asyncio.run(codec.decode(codec.encode(record))).record
    assert decoded["enrichment"] == answer | by_code


@pytest.mark.parametrize(
    ("quotes", "pieces"),
    [(["12 pallets", "3 bags"], 15), (["12 pallets", None], None), (["1.5 t"], None), (["2 x 6"], None), ([], 0)],
)
def test_its_code_adds_up_only_what_is_exact(known: Catalogue, quotes: list[str | None], pieces: int | None) -> None:
    found = known.enrichment("delivery-notes")
    items = [{"article": "a", "quantity_quote": quote} for quote in quotes]
    assert found.checks.finish({**SAID, "items": items}, {}, found.spec, NOW)["pieces"] == pieces


def test_a_kind_of_personal_data_that_does_not_exist_is_told_at_the_start(checkout: Path, load: Load) -> None:
    """The redactor would not look for it, and nobody would know."""
    schema = checkout / "schemas/logistics.delivery-note/v1.avsc"
    schema.write_text(schema.read_text().replace('"pii": "PERSON"', '"pii": "PERSN"'))
    make = cast(Callable[..., object], EnrichmentProcessor)
    with pytest.raises(UsageError, match="field driver: pii PERSN is none of PERSON, EMAIL"):
        make(load().enrichment("delivery-notes"), None, None, None, None, (), None)


def test_the_page_names_every_key_of_the_yaml() -> None:
    """What can be said and is not on the page is found by nobody."""
    page = (Path(__file__).parents[3] / "docs/enrichments.md").read_text(encoding="utf-8")
    assert [name for name in EnrichmentSpec.model_fields if f"{name}:" not in page and f"`{name}`" not in page] == []
