"""A mended value is one that its enrichment takes, and says what was changed."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from pipeline.catalogue import Catalogue, load
from pipeline.deadletters.audit import Audit
from pipeline.deadletters.changes import mapping
from pipeline.deadletters.mending import Mender, Opened
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.deadletters.values import Values
from pipeline.errors import UsageError
from pipeline.redact import RedactionPolicy, Redactor
from pipeline.serde import AvroCodec, AvroDecoder, Registry, TopicCodecs
from pipeline.serde.registry import parsed
from pipeline.settings import TABLES_FOLDER, CatalogueSettings, RegistrySettings
from tests.unit.deadletters.letters import KEYRING, RECORD, letter, tickets

SECRET = "jo.doe@example.com"
TICKET = {"ticket_id": "T-1", "tenant_id": "acme", "subject": "Lamp", "body": f"It broke. Write to {SECRET}."}


class KnownRegistry(Registry):
    """Knows the tickets' schema under 7 and asks nobody."""

    def __init__(self) -> None:
        super().__init__(RegistrySettings(url="http://127.0.0.1:9"))

    def known(self, schema_id: int) -> Mapping[str, object]:
        return parsed(tickets().input_schema.schema)


@dataclass(frozen=True)
class KnownCodecs(TopicCodecs):
    """Of a registry that is not there."""

    def decoder(self, topic: str, *, plain: bool = False) -> AvroDecoder:
        return AvroDecoder(KnownRegistry(), self.catalogue.schema_of(topic).schema, bounded=False, plain=plain)

    def codec(self, topic: str) -> AvroCodec:
        return AvroCodec(KnownRegistry(), self.catalogue.schema_of(topic).schema, 7)


@functools.cache
def _catalogue() -> Catalogue:
    return load(CatalogueSettings())


@pytest.fixture(scope="module")
def mender() -> Mender:
    topics = DeadLetterTopics(KnownCodecs(_catalogue(), RegistrySettings()), {})
    return Mender(
        topics, Values(topics, KEYRING), Audit(topics), lambda _: Redactor(RedactionPolicy(names=False), TABLES_FOLDER)
    )


def _opened(mender: Mender, value: bytes) -> Opened:
    return mender.open(letter(record=replace(RECORD, value=value)))


def _avro(ticket: Mapping[str, object]) -> bytes:
    return KnownCodecs(_catalogue(), RegistrySettings()).codec("support.tickets.v1").encode(ticket)


def test_a_value_is_opened_as_its_topic_reads_it_else_as_json_else_as_text(mender: Mender) -> None:
    assert json.loads(_opened(mender, _avro(TICKET)).text)["subject"] == "Lamp"
    assert json.loads(_opened(mender, json.dumps(TICKET).encode()).text) == TICKET
    assert _opened(mender, b"broken {").text == "broken {"


def test_what_was_changed_is_told_by_field_and_by_line(mender: Mender) -> None:
    opened = _opened(mender, _avro(TICKET))
    mended = mender.accept(opened, opened.text.replace('"Lamp"', '"Light"'))
    assert mended.fields == ("subject",)
    assert mended.diff.splitlines()[-3:-1] == ['-  "subject": "Lamp",', '+  "subject": "Light",']
    assert mended.value == _avro({**json.loads(opened.text), "subject": "Light"})


def test_an_unchanged_value_is_no_change(mender: Mender) -> None:
    opened = _opened(mender, _avro(TICKET))
    assert mender.accept(opened, opened.text).fields == ()


def test_json_in_an_avro_topic_is_mended_by_any_change(mender: Mender) -> None:
    opened = _opened(mender, json.dumps(TICKET).encode())
    schema = mender.schema(opened.letter)
    assert mender.change(opened, [mapping("subject=upper(subject)", schema)]).value[:1] == b"\x00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({**TICKET, "body": 12}), "body"),
        (json.dumps({**TICKET, "tenant_id": "x" * 201}), "tenant_id"),
        (json.dumps({name: value for name, value in TICKET.items() if name != "ticket_id"}), "ticket_id"),
        (json.dumps({**TICKET, "bodi": "x"}), "bodi"),
        ("{", "not JSON"),
        ("", "empty"),
        (json.dumps({**TICKET, "body": "x" * 2_000_000}), "the limit is"),
    ],
)
def test_what_breaks_the_schema_or_a_limit_is_refused_with_the_field_and_without_the_value(
    mender: Mender, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        mender.accept(_opened(mender, _avro(TICKET)), text)
    assert SECRET not in str(refused.value)
    assert "xxx" not in str(refused.value)


def test_a_value_that_is_no_record_is_not_changed_by_fields(mender: Mender) -> None:
    opened = _opened(mender, b"broken {")
    with pytest.raises(UsageError, match="cannot be read as a record"):
        mender.change(opened, [mapping("subject='x'", mender.schema(opened.letter))])
