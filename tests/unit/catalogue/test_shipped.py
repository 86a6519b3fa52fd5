"""The files that ship: complete, documented, with examples that are true."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pipeline import catalogue, contract
from pipeline.catalogue import Catalogue, Enrichment, SchemaVersion, TopicSpec
from pipeline.contract import Schema
from pipeline.deadletters.ledgers import EDIT_TOPIC, OPERATION_TOPIC, OUTCOME_TOPIC, STATUS_TOPIC
from pipeline.redact import PiiType
from pipeline.serde import AvroCodec, JsonCodec, Registry
from pipeline.settings import CatalogueSettings, RegistrySettings

ROOT = Path(__file__).parents[3]
SHIPPED = catalogue.load(CatalogueSettings())

each_schema = pytest.mark.parametrize("schema", SHIPPED.schemas.values(), ids=lambda schema: schema.subject)
each_topic = pytest.mark.parametrize("topic", SHIPPED.topics.values(), ids=lambda topic: topic.topic)
each_enrichment = pytest.mark.parametrize("enrichment", SHIPPED.enrichments.values(), ids=lambda found: found.name)


def _fields(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field at every depth."""
    for field in contract.fields(schema):
        yield f"{at}{field['name']}", field
        for inner in (contract.record_of(field["type"]), contract.record_of(contract.items_of(field["type"]))):
            if inner is not None:
                yield from _fields(inner, f"{at}{field['name']}.")


class TestExamples:
    @each_schema
    def test_a_minimal_and_a_full_one_are_there(self, schema: SchemaVersion) -> None:
        assert {"minimal", "full"} <= {path.stem for path in schema.examples}

    @each_schema
    def test_each_is_valid_and_survives_avro_and_json(self, schema: SchemaVersion) -> None:
        model = contract.record_model(schema.schema)
        registry = Registry(RegistrySettings(url="mock://examples"))
        avro = AvroCodec(registry, schema.schema, registry.register(schema.subject, schema.schema))
        for path in schema.examples:
            record = contract.read_json(model, path.read_bytes())
            assert asyncio.run(avro.decode(avro.encode(record))).record == record, path
            other = JsonCodec(schema.schema)
            assert asyncio.run(other.decode(other.encode(record))).record == record, path

    @each_schema
    def test_no_name_in_one_is_unknown_to_the_schema(self, schema: SchemaVersion) -> None:
        known = {path for path, _ in _fields(schema.schema)}
        for path in schema.examples:
            assert set(_named(json.loads(path.read_text()), schema.schema)) <= known, path

    @each_schema
    def test_the_minimal_one_is_minimal_and_the_full_one_full(self, schema: SchemaVersion) -> None:
        given = {path.stem: json.loads(path.read_text()).keys() for path in schema.examples}
        fields = contract.fields(schema.schema)
        required = {str(field["name"]) for field in fields if "default" not in field}
        assert required <= given["minimal"]
        assert given["full"] == {str(field["name"]) for field in fields}
        assert len(given["minimal"]) < len(given["full"]) or required == given["full"]


def _named(value: object, schema: Schema, at: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{at}{name}"
            field = next((item for item in contract.fields(schema) if item["name"] == name), None)
            if field is None:
                continue
            records = (contract.record_of(field["type"]), contract.record_of(contract.items_of(field["type"])))
            for record in filter(None, records):
                for item in inner if isinstance(inner, list) else [inner]:
                    yield from _named(item, record, f"{at}{name}.")


class TestOrphans:
    def test_every_schema_is_used_by_a_topic(self) -> None:
        used = {(topic.value.schema_, topic.value.version) for topic in SHIPPED.topics.values()}
        newest: dict[str, int] = {}
        for subject, version in SHIPPED.schemas:
            newest[subject] = max(version, newest.get(subject, 0))
        assert set(newest.items()) <= used

    def test_versions_have_no_gap(self) -> None:
        for subject, version in SHIPPED.schemas:
            assert version == 1 or (subject, version - 1) in SHIPPED.schemas

    def test_every_topic_is_used_by_an_enrichment_or_the_operators(self) -> None:
        used = {
            topic.topic
            for found in SHIPPED.enrichments.values()
            for topic in (found.input, found.output, found.dead_letters, found.audit, found.usage)
        }
        assert set(SHIPPED.topics) - used == {STATUS_TOPIC, OUTCOME_TOPIC, EDIT_TOPIC, OPERATION_TOPIC}

    def test_nothing_else_lies_in_the_folders(self) -> None:
        """A file with a misspelt name is read by nobody."""
        examples = {path for schema in SHIPPED.schemas.values() for path in schema.examples}
        schemas = {ROOT / "schemas" / subject / f"v{version}.avsc" for subject, version in SHIPPED.schemas}
        topics = {ROOT / "topics" / f"{topic}.yaml" for topic in SHIPPED.topics}
        found = {path for folder in ("schemas", "topics") for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert found == examples | schemas | topics

    def test_every_prompt_belongs_to_an_enrichment(self) -> None:
        folders = {found.folder for found in SHIPPED.enrichments.values()}
        prompts = (ROOT / "pipeline/enrichments").glob("*/prompts/*")
        assert {path.parent.parent for path in prompts} == folders


class TestSchemas:
    @each_schema
    def test_every_type_and_field_is_documented(self, schema: SchemaVersion) -> None:
        assert schema.schema.get("doc")
        assert [path for path, field in _fields(schema.schema) if not field.get("doc")] == []

    @each_enrichment
    def test_every_input_field_says_whether_it_is_personal(self, enrichment: Enrichment) -> None:
        for path, field in _fields(enrichment.input_schema.schema):
            inner = contract.record_of(field["type"]) or contract.record_of(contract.items_of(field["type"]))
            if inner is None:
                assert field.get("personal") in ("none", "text", "direct"), path
            if "pii" in field:
                assert field["pii"] in set(PiiType), path
                assert field["personal"] == "direct", path

    @pytest.mark.parametrize(
        ("topic", "required"),
        [
            ("support.tickets.v1", {"ticket_id", "tenant_id", "body"}),
            ("insurance.claims.v1", {"claim_id", "tenant_id", "description"}),
        ],
    )
    def test_a_publisher_must_give_three_fields(self, shipped: Catalogue, topic: str, required: set[str]) -> None:
        fields = contract.fields(shipped.schema_of(topic).schema)
        assert {field["name"] for field in fields if "default" not in field} == required

    def test_later_versions_read_what_earlier_ones_wrote(self) -> None:
        for (subject, version), schema in SHIPPED.schemas.items():
            for earlier in range(1, version):
                assert contract.breaks(schema.schema, SHIPPED.schemas[subject, earlier].schema) == []


class TestTopics:
    @each_topic
    def test_key_is_a_field_or_a_coordinate(self, topic: TopicSpec) -> None:
        names = {field["name"] for field in contract.fields(SHIPPED.schema_of(topic.topic).schema)}
        sealed = topic.data_class == "sealed"  # a dead letter has the key of its input, which may be anything
        assert sealed or topic.key in names or "/" in topic.key

    @each_topic
    def test_records_survive_the_loss_of_a_broker(self, topic: TopicSpec) -> None:
        assert topic.replication == 3
        assert topic.config["min.insync.replicas"] == 2

    @each_enrichment
    def test_input_output_and_dead_letters_have_the_same_partitions(self, enrichment: Enrichment) -> None:
        """A key's records then stand in one partition of each: order can be followed from one to the next."""
        assert enrichment.input.partitions == enrichment.output.partitions == enrichment.dead_letters.partitions

    @each_enrichment
    def test_a_dead_letter_has_room_for_its_original(self, enrichment: Enrichment) -> None:
        largest = int(enrichment.input.config["max.message.bytes"])
        assert int(enrichment.dead_letters.config["max.message.bytes"]) >= largest + 1_048_576

    @each_enrichment
    def test_only_operators_read_dead_letters(self, enrichment: Enrichment) -> None:
        assert enrichment.dead_letters.data_class == "sealed"
        assert enrichment.dead_letters.consumers == ("dead-letter-operators",)


class TestProviderSchemas:
    """What all providers accept: OpenAI's and Anthropic's documented subsets, and what constrained decoders know."""

    KEYWORDS = frozenset(
        {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "format", "description"}
    )

    @each_enrichment
    def test_are_in_the_strict_subset(self, enrichment: Enrichment) -> None:
        unions = 0
        for at, found in _walk(enrichment.provider_schema, enrichment.name):
            assert found.keys() <= self.KEYWORDS, at
            if found.get("type") == "object":
                assert found["additionalProperties"] is False, at
                assert list(_mapping(found["properties"])) == found["required"], at
            if "anyOf" in found:
                unions += 1
            assert found.get("format") in (None, "date", "date-time"), at
            assert at.count(".") <= 8, "ten levels at most"
        assert unions <= 16, "the fewest that one of them allows"
        assert "$ref" not in json.dumps(enrichment.provider_schema)

    @each_enrichment
    def test_hold_exactly_the_models_fields(self, enrichment: Enrichment) -> None:
        assert set(_mapping(enrichment.provider_schema["properties"])) == set(enrichment.answer.model_fields)

    @each_enrichment
    def test_every_property_is_described_and_its_bounds_are_told(self, enrichment: Enrichment) -> None:
        answer = contract.field_type(enrichment.output_schema.schema, enrichment.spec.answer)
        bounds = {"maxLength", "maxItems", "pattern", "minimum", "maximum"}
        told = json.dumps(enrichment.provider_schema, ensure_ascii=False)
        for path, field in _fields(answer):
            if field.get("answer") == "model":
                assert str(field["doc"]) in told, path
                for bound in bounds & field.keys():
                    assert str(field[bound]) in told, (path, bound)

    @each_enrichment
    def test_exact_amounts_are_never_asked_of_a_model(self, enrichment: Enrichment) -> None:
        for _, field in _fields(contract.field_type(enrichment.output_schema.schema, enrichment.spec.answer)):
            if "decimal" in json.dumps(field["type"]):
                assert field.get("answer") != "model"


def _walk(schema: Schema, at: str) -> Iterator[tuple[str, Schema]]:
    yield at, schema
    for name, found in _mapping(schema.get("properties", {})).items():
        yield from _walk(_mapping(found), f"{at}.{name}")
    if "items" in schema:
        yield from _walk(_mapping(schema["items"]), f"{at}.[]")
    any_of = schema.get("anyOf", [])
    assert isinstance(any_of, list)
    for found in any_of:
        yield from _walk(found, at)


def _mapping(found: object) -> Schema:
    assert isinstance(found, Mapping)
    return found


def test_every_ticket_label_has_an_owner_and_a_time() -> None:
    labels = SHIPPED.enrichment("tickets").spec.labels
    assert [label.label for label in labels if not (label.team and label.service_level)] == []
