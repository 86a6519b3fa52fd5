"""The whole way of records with 5,000 known values: none reaches the model, a log, a metric or what can be read."""

from __future__ import annotations

import base64
import io
import json
import logging
import random
import re
from collections.abc import Sequence
from typing import cast

import pytest
from fastavro import schemaless_reader
from pipeline.catalogue import load
from pipeline.deadletters.ledgers import OUTCOME_TOPIC
from pipeline.llm import Gateway, Tier, Usage
from pipeline.llm.providers.provider import Account, Reply, Request, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.outputs import Codecs, OutputWriter
from pipeline.processor import EnrichmentProcessor
from pipeline.redact import Redactor
from pipeline.redact.checksums import luhn, mod_97
from pipeline.serde import AvroCodec, JsonCodec, Registry
from pipeline.serde.registry import parsed
from pipeline.settings import CatalogueSettings, RegistrySettings
from pipeline.stream.record import Output, Record
from pipeline.telemetry.outcomes import Outcomes
from pipeline.vault import Keyring

_NO_ALNUM = re.compile(r"[^a-z0-9]+")
_RECORDS = 625
_EACH = 8
_LETTERS = "aeioubdfgklmnprst"
_ANSWER = {
    "category": "PAYMENT_PROBLEM",
    "priority": "HIGH",
    "summary": "Charged twice.",
    "suggested_action": "Return one charge.",
    "sentiment": "NEGATIVE",
    "language": "en",
    "confidence": 0.9,
    "needs_human": False,
}


class _Model:
    """Each fifth answer is no JSON, each seventh call breaks with the prompt in its message."""

    def __init__(self) -> None:
        self.calls = 0

    def answer(self, request: Request) -> Reply:
        self.calls += 1
        if self.calls % 7 == 0:
            raise RuntimeError(f"broke on {request.user}")
        text = "no JSON" if self.calls % 5 == 0 else json.dumps(_ANSWER)
        return Reply(text, Stop.END, Usage(input_tokens=100, output_tokens=50))


def _values(number: int, rng: random.Random) -> tuple[dict[str, object], list[str]]:
    """One ticket and the values in it."""
    first, last = (("".join(rng.choices(_LETTERS, k=6))).title() for _ in range(2))
    name = f"{first} {last}"
    email = f"{first.lower()}.{last.lower()}{number}@example.com"
    phone = f"+44 20 7946 {number:04d}"
    head = f"4{rng.randrange(10**14):014d}"
    card = next(made for digit in "0123456789" if luhn(made := head + digit))
    account = f"{rng.randrange(10**18):018d}"
    iban = next(made for check in range(2, 99) if mod_97(made := f"DE{check:02d}{account}"))
    address = f"{rng.randrange(1, 999)} {last} Street, Springfield, IL {rng.randrange(60000, 62999)}"
    token = "sk-" + "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24))
    host = f"203.0.{number // 250}.{number % 250 + 1}"
    body = (
        f"Letter {number} of mine. My name is {name}. Write to {email} or call {phone}. "
        f"Card {card} was charged twice, refund to {iban}. "
        f"I live at {address}. The key {token} was used from {host}.\n\nRegards,\n{name}"
    )
    ticket: dict[str, object] = {
        "ticket_id": f"T-{number}",
        "tenant_id": "acme",
        "subject": f"Charged twice, {email}",
        "body": body,
        "customer": {"name": name, "email": email},
    }
    return ticket, [name, email, phone, card, iban, address, token, host]


def _readable(outputs: Sequence[Output], schemas: dict[str, dict[str, object]]) -> str:
    """All that a person without the key can read of what was written."""
    parts = []
    for output in outputs:
        assert output.value is not None
        record = cast(dict[str, object], schemaless_reader(io.BytesIO(output.value[5:]), schemas[output.topic], None))
        parts.append(repr({name: value for name, value in record.items() if not isinstance(value, bytes)}))
        parts.append(repr(output.headers) if "dead-letters" in output.topic else "")
    return "".join(parts)


async def test_none_of_5000_values_is_seen_by_anyone_who_may_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    catalogue, outcomes = load(CatalogueSettings()), Outcomes()
    provider = ScriptedProvider(always=_Model().answer)
    enrichment = catalogue.enrichment("tickets")
    topics = (enrichment.output, enrichment.dead_letters, enrichment.audit, enrichment.usage)
    written = (*(topic.topic for topic in topics), OUTCOME_TOPIC)
    registry = Registry(RegistrySettings(url="http://127.0.0.1:9"))
    schemas = {topic: dict(parsed(catalogue.schema_of(topic).schema)) for topic in written}
    processor = EnrichmentProcessor(
        enrichment,
        JsonCodec(enrichment.input_schema.schema),
        OutputWriter(
            enrichment,
            Codecs(*(AvroCodec(registry, catalogue.schema_of(topic).schema, 7) for topic in written)),
            Keyring.parse("k1:" + base64.b64encode(bytes(32)).decode()),
            frozenset({"openai"}),
        ),
        Redactor(),
        Gateway({name: Account(provider, name) for name in ("openai", "anthropic")}),
        [Tier(**tier.model_dump()) for tier in enrichment.spec.tiers],
        outcomes,
    )
    rng, values = random.Random(4), list[str]()
    for number in range(_RECORDS):
        ticket, known = _values(number, rng)
        values += known
        data = json.dumps(ticket).encode()
        record = Record(enrichment.input.topic, 0, number, 0, b"k", data[:-1] if number % 11 == 0 else data)
        written_of_it = _readable(await processor.process(record), schemas)
        seen = "\n".join([*map(repr, provider.asked), written_of_it, caplog.text, repr(outcomes.tallies)])
        assert _standing_in(seen, known) == []
        provider.asked.clear()
        caplog.clear()
    tally = outcomes.tallies["tickets"]
    assert len(values) == len(set(values)) == _RECORDS * _EACH == 5000
    assert tally.enriched > _RECORDS / 2
    assert tally.dead_letters > _RECORDS / 10


def _standing_in(text: str, values: Sequence[str]) -> list[str]:
    """Values in the text, also regrouped."""
    squashed = _NO_ALNUM.sub("", text.lower())
    return [value for value in values if value in text or _NO_ALNUM.sub("", value.lower()) in squashed]
