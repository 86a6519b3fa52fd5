"""What a cluster is asked for, and what a new schema version is told."""

import json
from dataclasses import replace
from typing import cast

import pytest
from pipeline import catalogue
from pipeline.catalogue import Catalogue
from pipeline.errors import PipelineError
from pipeline.provisioning import Verdict, compare_schemas, plan_topics, register_schemas, wanted_topics
from pipeline.serde import Registry
from pipeline.settings import CatalogueSettings, RegistrySettings
from pipeline.stream.admin import Admin, Difference, Topic

KNOWN = catalogue.load(CatalogueSettings())


class Cluster:
    """As much of an Admin as a plan asks for."""

    def __init__(self, brokers: int, found: list[Difference]) -> None:
        self._brokers, self._found = brokers, found

    def brokers(self) -> int:
        return self._brokers

    def compare(self, wanted: list[Topic]) -> list[Difference]:
        return self._found


@pytest.mark.parametrize(("brokers", "replication", "min_isr"), [(1, 1, "1"), (2, 2, "1"), (3, 3, "2"), (9, 3, "2")])
def test_a_small_cluster_gets_what_it_can_keep_up(brokers: int, replication: int, min_isr: str) -> None:
    for topic in wanted_topics(KNOWN, brokers):
        assert topic.replication == replication
        assert topic.config["min.insync.replicas"] == min_isr


@pytest.mark.parametrize(("brokers", "said"), [(1, "has 1 of the 3 brokers"), (3, ""), (5, "")])
def test_a_cluster_that_is_too_small_is_told(brokers: int, said: str) -> None:
    capped = plan_topics(KNOWN, cast(Admin, Cluster(brokers, []))).capped
    assert said in capped
    assert bool(said) is bool(capped)


def test_the_catalogues_settings_are_asked_for_as_kafka_writes_them() -> None:
    tickets = KNOWN.topics["support.tickets.v1"]
    spec = tickets.model_copy(update={"config": {"unclean.leader.election.enable": False, "retention.ms": 5}})
    (topic,) = wanted_topics(Catalogue({"t": spec}, KNOWN.schemas), 3)
    assert topic == Topic("support.tickets.v1", 12, 3, {"unclean.leader.election.enable": "false", "retention.ms": "5"})


def test_what_is_missing_is_told_apart_from_what_differs() -> None:
    missing = Difference("support.tickets.v1", "topic", "exists", None)
    unset = Difference("enrichment.usage.v1", "retention.ms", "1", None)
    other = Difference("enrichment.audit.v1", "partitions", "12", "3")
    plan = plan_topics(KNOWN, cast(Admin, Cluster(3, [missing, unset, other])))
    assert [topic.name for topic in plan.missing] == ["support.tickets.v1"]
    assert plan.drift == (unset, other)


@pytest.fixture
def registry() -> Registry:
    """An empty one."""
    return Registry(RegistrySettings(url="mock://provisioning"))


def _changed(subject: str, fields: list[dict[str, object]], version: int = 1) -> Catalogue:
    """The catalogue with other fields in one schema, or with another version of it."""
    known = KNOWN.schemas[subject, 1]
    schema = {**known.schema, "fields": fields}
    text = json.dumps(schema)
    changed = replace(known, schema=schema, text=text, version=version)
    return Catalogue(KNOWN.topics, {**KNOWN.schemas, (subject, version): changed}, KNOWN.enrichments)


def _fields(subject: str) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], KNOWN.schemas[subject, 1].schema["fields"])


def test_every_schema_is_registered_where_clients_look_for_it(registry: Registry) -> None:
    assert {item.verdict for item in compare_schemas(KNOWN, registry)} == {Verdict.NEW}
    register_schemas(KNOWN, registry)
    for topic in KNOWN.topics:
        schema = KNOWN.schema_of(topic)
        assert registry.find(f"{topic}-value", schema.schema) is not None
        assert registry.find(schema.subject, schema.schema) is not None
    assert {item.verdict for item in compare_schemas(KNOWN, registry)} == {Verdict.REGISTERED}


def test_registering_again_changes_nothing(registry: Registry) -> None:
    first = [schema_id for _, schema_id in register_schemas(KNOWN, registry)]
    assert [schema_id for _, schema_id in register_schemas(KNOWN, registry)] == first
    assert registry.versions("support.ticket") == [1]


def test_a_version_that_breaks_registers_nothing_at_all(registry: Registry) -> None:
    """Half of a release in the registry would be worse than none."""
    known = _changed("enrichment.usage", [{"name": "new", "type": "string"}, *_fields("enrichment.usage")])
    register_schemas(Catalogue(KNOWN.topics, {("enrichment.usage", 1): KNOWN.schemas["enrichment.usage", 1]}), registry)
    with pytest.raises(PipelineError, match=r"enrichment.usage version 1: new: is new and has no default") as caught:
        register_schemas(known, registry)
    assert caught.value.exit_code == 1
    assert registry.versions("support.ticket") == []
    assert registry.versions("enrichment.usage") == [1]


def test_files_are_compared_without_a_registry() -> None:
    known = _changed("support.ticket", [{"name": "new", "type": "string"}], version=2)
    broken = [item for item in compare_schemas(known, None) if item.verdict is Verdict.BREAKS]
    assert [(item.subject, item.why) for item in broken] == [
        ("support.ticket", ("support.ticket version 1: new: is new and has no default",))
    ]


def test_a_version_with_defaults_is_new_and_fine(registry: Registry) -> None:
    register_schemas(KNOWN, registry)
    more: dict[str, object] = {"name": "region", "type": "string", "default": ""}
    known = _changed("support.ticket", [*_fields("support.ticket"), more], version=2)
    found = {item.subject: item.verdict for item in compare_schemas(known, registry) if item.schema.version == 2}
    assert found == {"support.ticket": Verdict.NEW}
