"""The way of one record, with the real rooms and a scripted provider: what comes out, what dies, what it says."""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.catalogue import Catalogue, load
from pipeline.deadletters.envelope import sealed_to
from pipeline.deadletters.history import OVERRIDE, REPLAYS
from pipeline.deadletters.ledgers import OUTCOME_TOPIC
from pipeline.deadletters.overrides import Override
from pipeline.llm import Gateway, Tier, Usage
from pipeline.llm.providers.provider import Account, Reply, Request, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.outputs import Codecs, OutputWriter
from pipeline.processor import EnrichmentProcessor
from pipeline.questions import Questions
from pipeline.redact import Redactor
from pipeline.serde import AvroCodec, JsonCodec, Registry
from pipeline.serde.registry import parsed
from pipeline.settings import CatalogueSettings, RegistrySettings
from pipeline.stream.record import Output, Record
from pipeline.telemetry.outcomes import Outcomes
from pipeline.vault import Keyring

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
TICKET = {
    "ticket_id": "T-1",
    "tenant_id": "acme",
    "subject": "Charged twice",
    "body": "You charged me twice. Write to jo.doe@example.com or call +1 415 555 0134. Regards, Joanna Doe",
    "customer": {"name": "Joanna Doe", "email": "jo.doe@example.com"},
}
ANSWER = {
    "category": "PAYMENT_PROBLEM",
    "priority": "HIGH",
    "summary": "Charged twice.",
    "suggested_action": "Return one charge.",
    "sentiment": "NEGATIVE",
    "language": "en",
    "confidence": 0.9,
    "needs_human": False,
}
CLAIM = {
    "claim_id": "C-1",
    "tenant_id": "acme",
    "policy_number": "HOME-2291",
    "description": "On 3 March 2026 a pipe burst at my home. The plumber, Mr. Henry Walton, says EUR 2,300.00.",
    "claimant": {"name": "Joanna Doe"},
}
CLAIM_ANSWER: dict[str, object] = {
    "claim_type": "WATER_DAMAGE",
    "urgency": "NORMAL",
    "summary": "A pipe burst.",
    "incident_date": "2026-03-03",
    "incident_place": None,
    "parties": [{"name": "[PERSON_1]", "role": "OTHER"}],
    "injuries": [],
    "amount_quote": "EUR 2,300.00",
    "missing_information": [],
    "confidence": 0.95,
}


class Bench:
    """One enrichment's processor over a scripted provider, and a reader of what it writes."""

    def __init__(self, name: str, *answers: object, **spec: object) -> None:
        self.catalogue: Catalogue = load(CatalogueSettings())
        shipped = self.catalogue.enrichment(name)
        self.enrichment = replace(shipped, spec=shipped.spec.model_copy(update=spec))
        replies = [_reply(answer) for answer in answers]
        self.provider = ScriptedProvider(replies, always=replies[-1] if replies else None)
        self.keyring = Keyring.parse("k1:" + base64.b64encode(bytes(32)).decode())
        self.outcomes = Outcomes()
        accounts = {"openai": Account(self.provider, simulated=True), "anthropic": Account(self.provider, "anthropic")}
        self.processor = EnrichmentProcessor(
            self.enrichment,
            JsonCodec(self.enrichment.input_schema.schema),
            OutputWriter(
                self.enrichment,
                Codecs(*(self._codec(topic) for topic in self._written())),
                self.keyring,
                frozenset({"openai"}),
            ),
            Redactor(),
            Gateway(accounts),
            [Tier(**tier.model_dump()) for tier in self.enrichment.spec.tiers],
            self.outcomes,
            now=lambda: NOW,
        )

    def _written(self) -> Sequence[str]:
        e = self.enrichment
        return (e.output.topic, e.dead_letters.topic, e.audit.topic, e.usage.topic, OUTCOME_TOPIC)

    def _codec(self, topic: str) -> AvroCodec:
        registry = Registry(RegistrySettings(url="http://127.0.0.1:9"))
        return AvroCodec(registry, self.catalogue.schema_of(topic).schema, 7)

    async def run(self, value: object, key: bytes | None = b"T-1", **headers: bytes) -> dict[str, dict[str, object]]:
        """Topic to decoded record."""
        data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        record = Record(
            self.enrichment.input.topic, 3, 42, int(NOW.timestamp() * 1000), key, data, tuple(headers.items())
        )
        self.outputs = await self.processor.process(record)
        return self.read(self.outputs)

    def read(self, outputs: Sequence[Output]) -> dict[str, dict[str, object]]:
        found = {}
        for output in outputs:
            assert output.value is not None
            schema = dict(parsed(self.catalogue.schema_of(output.topic).schema))
            found[output.topic] = cast(dict[str, object], schemaless_reader(io.BytesIO(output.value[5:]), schema, None))
        return found


@functools.cache
def _idle_bench() -> Bench:
    return Bench("tickets")


def _reply(answer: object) -> Reply:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return Reply(text, Stop.END, Usage(input_tokens=100, output_tokens=50))


async def test_a_ticket_becomes_its_enrichment_audit_and_usage() -> None:
    bench = Bench("tickets", ANSWER)
    found = await bench.run(TICKET, traceparent=b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")
    output = found["support.tickets.enriched.v1"]
    enrichment = cast(dict[str, object], output["enrichment"])
    assert enrichment["category"] == "PAYMENT_PROBLEM"
    assert enrichment["team"] == "payments"
    assert enrichment["due_at"] == NOW + timedelta(hours=8)
    assert cast(dict[str, object], output["provenance"])["simulated"] is True
    assert output["source"] == {"topic": "support.tickets.v1", "partition": 3, "offset": 42, "timestamp": NOW}
    assert found["enrichment.audit.v1"]["outcome"] == "ENRICHED"
    assert found["enrichment.usage.v1"]["input_tokens"] == 100
    assert cast(Decimal, found["enrichment.usage.v1"]["cost_usd"]) > 0
    assert ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01") in bench.outputs[0].headers
    assert bench.outputs[0].key == b"T-1"


async def test_no_personal_value_reaches_the_provider_or_a_record_that_is_not_for_it() -> None:
    bench = Bench("tickets", ANSWER)
    await bench.run(TICKET)
    sent = bench.provider.asked[0]
    written = b"".join(output.value or b"" for output in bench.outputs)
    for value in ("jo.doe@example.com", "415 555 0134", "Joanna", "Doe"):
        assert value not in sent.user + sent.system
        assert value.encode() not in written
    assert "[EMAIL_1]" in sent.user
    assert "Charged twice. Hello" in sent.system and "Write to" not in sent.system


async def test_a_claim_gets_its_names_back_and_an_exact_amount() -> None:
    found = await Bench("claims", CLAIM_ANSWER).run(CLAIM)
    enrichment = cast(dict[str, object], found["insurance.claims.extracted.v1"]["enrichment"])
    parties = cast(list[dict[str, str]], enrichment["parties"])
    assert "Walton" in parties[0]["name"]
    assert enrichment["amount"] == {"value": Decimal("2300.00"), "currency": "EUR"}
    assert enrichment["incident_date"] == date(2026, 3, 3)
    assert enrichment["anomalies"] == []


async def test_an_amount_the_model_made_up_is_no_amount() -> None:
    found = await Bench("claims", {**CLAIM_ANSWER, "amount_quote": "EUR 9,999.00"}).run(CLAIM)
    enrichment = cast(dict[str, object], found["insurance.claims.extracted.v1"]["enrichment"])
    assert enrichment["amount"] is None
    assert [item["code"] for item in cast(list[dict[str, str]], enrichment["anomalies"])] == ["AMOUNT_UNREADABLE"]


async def test_a_placeholder_for_nobody_is_corrected_not_published() -> None:
    strange = {**CLAIM_ANSWER, "parties": [{"name": "[PERSON_9]", "role": "OTHER"}]}
    bench = Bench("claims", strange, CLAIM_ANSWER)
    found = await bench.run(CLAIM)
    assert "insurance.claims.extracted.v1" in found
    assert len(bench.provider.asked) == 2
    assert cast(dict[str, object], found["insurance.claims.extracted.v1"]["provenance"])["attempts"] == 2


@pytest.mark.parametrize(
    ("value", "key", "cause"),
    [
        (None, b"T-1", "null_value"),
        (b"", b"T-1", "empty_value"),
        (b" " * 2_000_000, b"T-1", "too_large"),
        (b"{nope", b"T-1", "undecodable"),
        (b'{"ticket_id": 5, "tenant_id": "a", "body": "x"}', b"T-1", "contract_broken"),
        ({**TICKET, "body": "  "}, b"T-1", "contract_broken"),
        (TICKET, b"\x00\x00\x00\x07", "key_invalid"),
        (TICKET, b"\xff\xfe", "key_invalid"),
    ],
)
async def test_poison_is_a_dead_letter_with_its_cause(value: object, key: bytes, cause: str) -> None:
    bench = Bench("tickets", ANSWER)
    found = await bench.run(value, key)
    letter = found["support.tickets.v1.dead-letters"]
    assert letter["cause"] == cause
    assert letter["key"] == key
    assert bench.provider.asked == []
    assert found["enrichment.audit.v1"]["outcome"] == "DEAD_LETTER"
    assert set(found) == {"support.tickets.v1.dead-letters", "enrichment.audit.v1"}


async def test_answers_that_stay_invalid_are_a_dead_letter_with_every_call_and_its_cost() -> None:
    found = await Bench("tickets", {"category": "VIP"}).run(TICKET)
    letter = found["support.tickets.v1.dead-letters"]
    attempts = cast(list[dict[str, object]], letter["attempts"])
    assert letter["cause"] == "answer_invalid"
    assert {item["provider"] for item in attempts} == {"openai", "anthropic"}
    assert all(cast(Decimal, item["cost_usd"]) > 0 for item in attempts)
    assert "VIP" not in str(letter)


@pytest.mark.parametrize(
    ("name", "record", "label"), [("tickets", TICKET, "category"), ("claims", CLAIM, "claim_type")]
)
async def test_never_a_valid_answer_is_the_safe_one_where_the_enrichment_says_so(
    name: str, record: object, label: str
) -> None:
    bench = Bench(name, "{}", invalid="fallback")
    found = await bench.run(record)
    output = found[bench.enrichment.output.topic]
    answer = cast(dict[str, object], output["enrichment"])
    made = cast(dict[str, object], output["provenance"])
    assert (answer[label], answer["confidence"]) == ("OTHER", 0.0)
    assert (made["provider"], made["model"], made["tier"], made["cached"]) == ("none", "", "fallback", False)
    assert cast(int, made["attempts"]) > 0, "what was paid for nothing is still on the bill"
    assert cast(Decimal, made["cost_usd"]) > 0
    if name == "tickets":
        assert answer["needs_human"] is True
        assert answer["team"] == "front-desk"
    else:
        assert "LOW_CONFIDENCE" in str(answer["anomalies"])
    assert bench.outcomes.tallies[name].safe == 1


async def test_an_outage_ends_in_the_safe_answer_that_costs_nothing_where_the_enrichment_says_so() -> None:
    limits = load(CatalogueSettings()).enrichment("tickets").spec.limits
    short = limits.model_copy(update={"deadline": timedelta(milliseconds=50)})
    bench = Bench("tickets", outage="fallback", limits=short)
    named_like_the_answer = {"ticket_id": "T-1", "tenant_id": "acme", "subject": "A", "body": "B",
                             "customer": {"name": "A Person"}}  # fmt: skip
    output = (await bench.run(named_like_the_answer))["support.tickets.enriched.v1"]
    made = cast(dict[str, object], output["provenance"])
    assert (made["tier"], made["cost_usd"], made["confidence"]) == ("fallback", 0, 0.0)


async def test_the_original_opens_only_with_the_key_and_only_where_it_belongs() -> None:
    bench = Bench("tickets", {"category": "VIP"})
    letter = (await bench.run(TICKET))["support.tickets.v1.dead-letters"]
    sealed = cast(bytes, letter["original"])
    assert bench.keyring.open(sealed, sealed_to(letter)) == json.dumps(TICKET).encode()
    assert letter["original_sha256"] == bench.keyring.digest(json.dumps(TICKET).encode())


async def test_new_personal_data_in_an_answer_is_a_leak_and_is_not_written() -> None:
    found = await Bench("tickets", {**ANSWER, "summary": "Write to max.muster@example.org"}).run(TICKET)
    letter = found["support.tickets.v1.dead-letters"]
    assert (letter["cause"], letter["stage"]) == ("leak", "redact")
    assert "max.muster" not in str(found)
    assert found["enrichment.usage.v1"]["calls"] == 1


async def test_a_bug_kills_the_record_not_the_worker_and_its_traceback_quotes_nothing() -> None:
    def explode(_: Request) -> Reply:
        raise RuntimeError("Joanna Doe")

    bench = Bench("tickets", ANSWER)
    bench.provider.script.clear()
    bench.provider.always = explode
    letter = (await bench.run(TICKET))["support.tickets.v1.dead-letters"]
    assert letter["cause"] == "unexpected"
    assert "RuntimeError" in str(letter["traceback"])
    assert "Joanna" not in str({name: value for name, value in letter.items() if name != "original"})


async def test_a_bug_in_what_reads_the_answer_leaves_the_paid_call_in_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Questions, "_read", explode)
    found = await Bench("tickets", ANSWER).run(TICKET)
    assert found["support.tickets.v1.dead-letters"]["cause"] == "unexpected"
    assert len(cast(list[object], found["support.tickets.v1.dead-letters"]["attempts"])) == 1
    assert found["enrichment.usage.v1"]["input_tokens"] == 100
    assert cast(Decimal, found["enrichment.usage.v1"]["cost_usd"]) > 0


async def test_two_customers_with_one_complaint_are_one_question_and_each_gets_their_own_names() -> None:
    bench = Bench("claims", CLAIM_ANSWER)
    parties = []
    for plumber, claimant in (("Henry Walton", "Joanna Doe"), ("Walter Mason", "Ruth Arnold")):
        claim = {**CLAIM, "claimant": {"name": claimant}}
        claim["description"] = str(CLAIM["description"]).replace("Henry Walton", plumber)
        found = await bench.run(claim)
        record = found["insurance.claims.extracted.v1"]
        (party,) = cast(list[dict[str, object]], cast(dict[str, object], record["enrichment"])["parties"])
        parties.append((party["name"], cast(dict[str, object], record["provenance"])["cached"]))
    assert len(bench.provider.asked) == 1
    assert parties == [("Henry Walton", False), ("Walter Mason", True)]
    assert found["enrichment.usage.v1"]["cached"] is True
    assert found["enrichment.usage.v1"]["cost_usd"] == 0


async def test_a_refused_output_becomes_a_dead_letter_and_keeps_its_bill() -> None:
    bench = Bench("tickets", ANSWER)
    await bench.run(TICKET)
    record = Record("support.tickets.v1", 3, 42, 0, b"T-1", json.dumps(TICKET).encode())
    found = bench.read(bench.processor.refused(record, bench.outputs, bench.outputs[0], "too large"))
    assert found["support.tickets.v1.dead-letters"]["cause"] == "output_too_large"
    assert found["support.tickets.v1.dead-letters"]["original"]
    assert found["enrichment.usage.v1"]["calls"] == 1


async def test_a_refused_dead_letter_leaves_its_original_in_the_input_topic() -> None:
    bench = Bench("tickets", ANSWER)
    record = Record("support.tickets.v1", 3, 42, 0, b"T-1", b"{")
    first = await bench.processor.process(record)
    letter = bench.read(bench.processor.refused(record, first, first[0], "too large"))
    assert letter["support.tickets.v1.dead-letters"]["original"] is None
    assert letter["support.tickets.v1.dead-letters"]["original_size"] == 1


async def test_a_record_sent_again_keeps_its_identity_and_its_history() -> None:
    bench = Bench("tickets", {"category": "VIP"})
    first = (await bench.run(TICKET))["support.tickets.v1.dead-letters"]
    history = json.dumps(
        {
            "received_at": "2026-02-28T00:00:00+00:00",
            "first_failed_at": "2026-03-01T00:00:00+00:00",
            "replays": [{"replay_id": "r1", "at": "2026-03-02T00:00:00+00:00", "by": "ops", "why": "mended"}],
        }
    ).encode()
    again = await bench.run(TICKET, **{"event-id": str(first["event_id"]).encode(), REPLAYS: history})
    letter = again["support.tickets.v1.dead-letters"]
    assert letter["event_id"] == first["event_id"]
    assert letter["first_failed_at"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert [item["replay_id"] for item in cast(list[dict[str, object]], letter["replays"])] == ["r1"]
    assert letter["fingerprint"] == first["fingerprint"]


@settings(deadline=None, max_examples=50)
@given(
    timestamp=st.integers(-(2**63), 2**63 - 1),
    headers=st.lists(
        st.tuples(st.sampled_from([REPLAYS, "event-id", "traceparent", "x"]), st.none() | st.binary(max_size=60)),
        max_size=4,
    ),
    history=st.none() | st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)),
)
def test_whatever_a_publisher_sends_a_dead_letter_can_be_written(
    timestamp: int, headers: list[tuple[str, bytes | None]], history: object
) -> None:
    bench = _idle_bench()
    told = (REPLAYS, json.dumps({"received_at": "2026-01-01", "replays": history}).encode())
    record = Record("support.tickets.v1", 0, 1, timestamp, b"k", b"{", (*headers, told))
    letters = bench.processor.failed(record, ValueError("x"))
    again = bench.processor.refused(record, letters, letters[0], "too large")
    assert {output.topic for output in letters} == {"support.tickets.v1.dead-letters", "enrichment.audit.v1"}
    assert {output.topic for output in again} == {"support.tickets.v1.dead-letters", "enrichment.audit.v1"}


async def test_a_nested_history_of_a_stranger_does_not_stop_the_worker() -> None:
    found = await Bench("tickets").run(b"{", **{REPLAYS: b"[" * 100_000})
    assert found["support.tickets.v1.dead-letters"]["replays"] == []


async def test_a_refused_output_keeps_whose_it_was_and_its_calls() -> None:
    bench = Bench("tickets", ANSWER)
    await bench.run(TICKET)
    record = Record("support.tickets.v1", 3, 42, 0, b"T-1", json.dumps(TICKET).encode())
    letter = bench.read(bench.processor.refused(record, bench.outputs, bench.outputs[0], "too large"))
    found = letter["support.tickets.v1.dead-letters"]
    assert (found["tenant_id"], found["entity_id"]) == ("acme", "T-1")
    assert len(cast(list[object], found["attempts"])) == 1
    tally = bench.outcomes.tallies["tickets"]
    assert (tally.enriched, tally.dead_letters) == (0, 1)


async def test_a_publishers_headers_reach_the_output_and_not_the_ledgers() -> None:
    bench = Bench("tickets", ANSWER)
    await bench.run(TICKET, agent=b"Joanna Doe")
    carried = {output.topic: {name for name, _ in output.headers} for output in bench.outputs}
    assert "agent" in carried["support.tickets.enriched.v1"]
    assert carried["enrichment.audit.v1"] == carried["enrichment.usage.v1"] == {"event-id"}


@pytest.mark.parametrize("quote", ["EUR 2,30", "EUR 2", "300.00", "EUR 2,300.00 total"])
async def test_part_of_an_amount_is_no_amount(quote: str) -> None:
    found = await Bench("claims", {**CLAIM_ANSWER, "amount_quote": quote}).run(CLAIM)
    enrichment = cast(dict[str, object], found["insurance.claims.extracted.v1"]["enrichment"])
    assert enrichment["amount"] is None


def _sent_again(override: Override | None = None, event: str = "E-1") -> dict[str, bytes]:
    """The headers of a record that replay r1 sent."""
    replay = {"replay_id": "r1", "at": "2026-03-02T00:00:00+00:00", "by": "ops", "why": "mended"}
    history = {"received_at": "2026-02-28T00:00:00+00:00", "first_failed_at": "2026-03-01T00:00:00+00:00"}
    headers = {"event-id": event.encode(), REPLAYS: json.dumps(history | {"replays": [replay]}).encode()}
    if override is not None:
        headers[OVERRIDE] = override.sealed(Bench("tickets").keyring, "E-1", "r1")
    return headers


async def test_the_outcome_of_a_record_sent_again_is_noted_with_its_replay_and_of_no_other() -> None:
    assert OUTCOME_TOPIC not in await Bench("tickets", ANSWER).run(TICKET)
    found = await Bench("tickets", ANSWER).run(TICKET, **_sent_again())
    assert found[OUTCOME_TOPIC] == {"event_id": "E-1", "replay_id": "r1", "outcome": "ENRICHED", "at": NOW}
    skipping = Bench("tickets", when={"tenant_id": {"equals": "nobody"}})
    assert (await skipping.run(TICKET, **_sent_again()))[OUTCOME_TOPIC]["outcome"] == "SKIPPED"
    assert OUTCOME_TOPIC not in await Bench("tickets").run(b"{", **_sent_again())


async def test_a_replay_chooses_the_tier() -> None:
    found = await Bench("tickets", ANSWER).run(TICKET, **_sent_again(Override(tier="second")))
    provenance = cast(dict[str, object], found["support.tickets.enriched.v1"]["provenance"])
    assert provenance["tier"] == "second"


@pytest.mark.parametrize("wanted", [Override(tier="best"), Override(prompt="9.9.9"), Override(enrichment_version="0")])
async def test_what_a_replay_asks_for_and_no_worker_has_is_a_dead_letter_that_says_so(wanted: Override) -> None:
    bench = Bench("tickets", ANSWER)
    letter = (await bench.run(TICKET, **_sent_again(wanted)))["support.tickets.v1.dead-letters"]
    assert letter["cause"] == "override_unknown"
    assert OVERRIDE not in [header["name"] for header in cast(list[dict[str, object]], letter["headers"])]
    assert bench.provider.asked == []


async def test_a_publisher_cannot_choose_a_tier() -> None:
    """The override is sealed, and for one event of one replay."""
    for headers in (_sent_again(Override(tier="second"), event="E-2"), {OVERRIDE: b'{"tier": "second"}'}):
        found = await Bench("tickets", ANSWER).run(TICKET, **headers)
        provenance = cast(dict[str, object], found["support.tickets.enriched.v1"]["provenance"])
        assert provenance["tier"] == "standard"
