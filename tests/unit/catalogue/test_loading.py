"""What is wrong in the catalogue's files is found when they are loaded, told in one line that names the file."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline.catalogue import Catalogue
from pipeline.errors import UsageError

from .conftest import Load

YAML = "pipeline/enrichments/delivery-notes/enrichment.yaml"
CHECKS = "pipeline/enrichments/delivery-notes/checks.py"
INPUT = "schemas/logistics.delivery-note/v1.avsc"
OUTPUT = "schemas/logistics.delivery-extracted/v1.avsc"
TOPIC = "topics/logistics.delivery-notes.v1.yaml"
DEAD = "topics/logistics.delivery-notes.v1.dead-letters.yaml"


def _said(load: Load) -> str:
    with pytest.raises(UsageError) as caught:
        load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        # prompt fields and conditions
        (YAML, "supplier: supplier }", "supplier: driver }", "driver, a direct identifier"),
        (YAML, "supplier: supplier }", "supplier: suplier }", "suplier, which is no text of DeliveryNote"),
        (YAML, "supplier: supplier }", "supplier: received_at }", "received_at, which is no text"),
        (YAML, "when: { supplier:", "when: { suplier:", "when.suplier is no single field"),
        (YAML, "not_in: [internal]", "not_in: internal", "take a list"),
        (YAML, "not_in: [internal]", "exists: yes please", "true or false"),
        (YAML, "not_in: [internal]", "like: x", "not_in"),
        # names that lead nowhere
        (YAML, "entity: note_id", "entity: notes_id", "notes_id is no text field of DeliveryNote"),
        (YAML, "input: logistics", "input: logistic", "no topic logistic.delivery-notes.v1"),
        (YAML, "version: 1.0.0\n  fields", "version: 1.0.1\n  fields", "prompt version 1.0.1 is not in"),
        (YAML, "restore: [summary]", "restore: [condition]", "restore names condition"),
        (YAML, "name: delivery-notes", "name: deliveries", "named after its enrichment"),
        (YAML, "outage: wait", "outage: never", "outage"),
        (YAML, "tiers:", "tiers: []\nsteps:", "tiers"),
        (YAML, "label: SHORT", "label: DAMAGED", "stands there twice"),
        (YAML, "\nlabels:", "\noptions: {}\nlabel:", "label: Extra inputs"),
        (YAML, "name: delivery-notes", "name: [", "cannot be read"),
        # schemas
        (OUTPUT, '"answer": "code"', '"answer": "nobody"', "enrichment.team says neither"),
        (OUTPUT, '"name": "article"', '"name": "article", "answer": "code", "was": "', "no Avro schema"),
        (OUTPUT, '"doc": "What it is, in the note\'s words.", "answer": "model"', '"doc": "x"', "items.article says"),
        (OUTPUT, '"name": "enriched_at"', '"name": "made_at"', "no field enriched_at"),
        (OUTPUT, '{"name": "tenant_id"', '{"name": "hue", "type": "int"}, {"name": "tenant_id"', "fills field hue"),
        (OUTPUT, '"name": "signed"', '"name": "copy"', "copy of DeliveryEnrichment: this name is taken"),
        (OUTPUT, '"type": "boolean", "doc": "T', '"type": ["int", "string"], "doc": "T', "more than one type"),
        (OUTPUT, '"type": "boolean", "doc": "T', '"type": "bytes", "doc": "T', "cannot answer with Avro type bytes"),
        (INPUT, '"type": "record"', '"type": "recrd"', "no Avro schema"),
        # topics
        (TOPIC, "topic: logistics.delivery-notes.v1", "topic: other", "named after its topic"),
        (TOPIC, "schema: logistics.delivery-note,", "schema: logistics.note,", "no schema logistics.note version 1"),
        (TOPIC, "partitions: 6", "partitions: 0", "partitions"),
        (TOPIC, "consumers: [enrichment-delivery-notes]", "consumers: []", "among its consumers"),
        (DEAD, "producers: [enrichment-delivery-notes]", "producers: [x]", "among its producers"),
        # code
        (CHECKS, "def finish(", "def end(", "no function finish"),
        (CHECKS, "import re", "import ree", "checks.py cannot be loaded: ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_a_contradiction_is_found(checkout: Path, load: Load, file: str, old: str, new: str, said: str) -> None:
    text = (checkout / file).read_text()
    assert old in text
    (checkout / file).write_text(text.replace(old, new, 1))
    found = _said(load)
    assert said in found
    assert "delivery" in found or "logistics" in found, "the file or the topic is named"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / CHECKS).unlink(), "no checks.py"),
        (lambda root: (root / INPUT).unlink(), "no schema logistics.delivery-note version 1"),
        (lambda root: (root / INPUT).rename((root / INPUT).with_stem("vone")), "v<number>.avsc"),
        (lambda root: (root / INPUT).write_bytes(b"\xff"), "no Avro schema"),
        (lambda root: (root / INPUT).write_text('["string"]'), "values are records"),
        (lambda root: (root / TOPIC).write_bytes(b"\xff"), "cannot be read"),
    ],
)
def test_a_missing_or_strange_file_is_found(
    checkout: Path, load: Load, change: Callable[[Path], object], said: str
) -> None:
    change(checkout)
    assert said in _said(load)


def test_a_folder_without_enrichments_is_told(checkout: Path, load: Load) -> None:
    (checkout / "pipeline/enrichments").rename(checkout / "elsewhere")
    assert "no enrichments in" in _said(load)


@pytest.mark.parametrize("path", ["driver", "people.*", "people.name", "crew[].name", "crew[].*", "*.name"])
def test_no_way_of_writing_a_path_reaches_a_direct_identifier(checkout: Path, load: Load, path: str) -> None:
    schema = json.loads((checkout / INPUT).read_text())
    person = {"type": "record", "name": "People", "fields": [{"name": "name", "type": "string", "personal": "direct"}]}
    crew = {"type": "array", "items": {**person, "name": "Crew"}}
    schema["fields"] += [
        {"name": "people", "type": ["null", person], "default": None},
        {"name": "crew", "type": crew, "default": []},
    ]
    (checkout / INPUT).write_text(json.dumps(schema))
    text = (checkout / YAML).read_text()
    (checkout / YAML).write_text(text.replace("supplier: supplier }", f'supplier: "{path}" }}'))
    assert "a direct identifier: it is never sent" in _said(load)


def test_direct_identifiers_are_found_behind_a_types_name(checkout: Path, load: Load) -> None:
    """Avro writes a type out once and then names it: its annotations hold there too."""
    schema = json.loads((checkout / INPUT).read_text())
    person = {"type": "record", "name": "Person", "fields": [{"name": "name", "type": "string", "personal": "direct"}]}
    schema["fields"] += [
        {"name": "sender", "type": ["null", person], "default": None},
        {"name": "receiver", "type": ["null", "Person"], "default": None},
    ]
    (checkout / INPUT).write_text(json.dumps(schema))
    text = (checkout / YAML).read_text()
    (checkout / YAML).write_text(text.replace("supplier: supplier }", "supplier: receiver.name }"))
    assert "receiver.name, a direct identifier" in _said(load)


def test_unknown_topics_and_enrichments_are_told_with_those_there_are(shipped: Catalogue) -> None:
    with pytest.raises(UsageError, match=re.escape("support.tickets.v1")):
        shipped.topic("support.tickets")
    with pytest.raises(UsageError, match="claims, tickets"):
        shipped.enrichment("ticket")


def test_a_schema_is_found_under_its_own_name_and_that_of_each_topic(shipped: Catalogue) -> None:
    assert shipped.subjects(shipped.schemas["enrichment.dead-letter", 1]) == [
        "enrichment.dead-letter",
        "insurance.claims.v1.dead-letters-value",
        "support.tickets.v1.dead-letters-value",
    ]


class TestSafeAnswer:
    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ("outage: fallback", r"outage says fallback, but there is no `fallback`"),
            ("outage: wait\ninvalid: fallback", r"invalid says fallback, but there is no `fallback`"),
            ("outage: wait\nfallback: {condition: LOST}", r"fallback: condition"),
            ("outage: wait\nfallback: {team: quality}", r"fallback.team is no field that a model answers"),
            (
                "outage: wait\nfallback: {condition: REFUSED, summary: s, items: [], signed: false, confidence: 0.7}",
                r"fallback.confidence must be 0",
            ),
        ],
    )
    def test_one_that_is_missing_or_not_valid_is_an_error_at_start_up(
        self, checkout: Path, load: Load, said: str, message: str
    ) -> None:
        path = checkout / "pipeline/enrichments/delivery-notes/enrichment.yaml"
        path.write_text(path.read_text().replace("outage: wait", said))
        with pytest.raises(UsageError, match=message):
            load()

    def test_a_tier_cannot_pass_for_it(self, checkout: Path, load: Load) -> None:
        path = checkout / "pipeline/enrichments/delivery-notes/enrichment.yaml"
        path.write_text(path.read_text().replace("name: second", "name: fallback"))
        with pytest.raises(UsageError, match="no tier may be called fallback"):
            load()


class TestSecondChance:
    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ("causes: [leak], delays: [1m]", r"second_chance.causes: time does not heal leak; it may heal: answer"),
            ("causes: [refused], delays: [1m], order: hold", r"second_chance.order: `hold` is not offered"),
            ("causes: [refused], delays: [soon]", r"second_chance.delays.0: "),
            (
                "causes: [refused], delays: [1m]",
                r"second_chance: topic .+ does not name enrichment-delivery-notes among",
            ),
        ],
    )
    def test_one_that_cannot_be_given_is_an_error_at_start_up(
        self, checkout: Path, load: Load, said: str, message: str
    ) -> None:
        path = checkout / "pipeline/enrichments/delivery-notes/enrichment.yaml"
        path.write_text(path.read_text().replace("outage: wait", f"outage: wait\nsecond_chance: {{{said}}}"))
        with pytest.raises(UsageError, match=message):
            load()

    def test_its_worker_must_be_allowed_to_read_what_was_done(self, checkout: Path, load: Load) -> None:
        path = checkout / "pipeline/enrichments/delivery-notes/enrichment.yaml"
        chance = "second_chance: {causes: [refused], delays: [1m]}"
        path.write_text(path.read_text().replace("outage: wait", f"outage: wait\n{chance}"))
        notes = checkout / "topics/enrichment.dead-letter-status.v1.yaml"
        for topic, role in (
            ("logistics.delivery-notes.v1", "producers"),
            ("logistics.delivery-notes.v1.dead-letters", "consumers"),
            ("logistics.deliveries.extracted.v1", "consumers"),
            (notes.stem, "producers"),
        ):
            file = checkout / f"topics/{topic}.yaml"
            file.write_text(file.read_text().replace(f"{role}: [", f"{role}: [enrichment-delivery-notes, "))
        assert f"{notes.stem} does not name enrichment-delivery-notes among its consumers" in _said(load)
        notes.write_text(notes.read_text().replace("consumers: [", "consumers: [enrichment-delivery-notes, "))
        load()


def test_dead_letters_are_avro(checkout: Path, load: Load) -> None:
    path = checkout / "topics/logistics.delivery-notes.v1.dead-letters.yaml"
    path.write_text(path.read_text().replace("format: avro", "format: json"))
    assert "does not hold Avro: dead letters are nothing else" in _said(load)
