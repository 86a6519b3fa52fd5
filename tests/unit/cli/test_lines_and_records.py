"""Lines in, records out: what is checked, what is sent as it is, and what a reader is shown."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pipeline import catalogue
from pipeline.cli.lines import CheckedLines, RawLines
from pipeline.cli.records import Shown, answer_field
from pipeline.errors import ContractError, DecodeError, UsageError
from pipeline.serde import JsonCodec
from pipeline.settings import CatalogueSettings
from pipeline.stream.record import Record

KNOWN = catalogue.load(CatalogueSettings())
TICKETS = "support.tickets.v1"
TICKET = {"ticket_id": "T-1", "tenant_id": "acme", "body": "Hello."}


def checked(key: str = "") -> CheckedLines:
    """Lines for the ticket topic."""
    return CheckedLines(KNOWN, TICKETS, JsonCodec(KNOWN.schema_of(TICKETS).schema), key, (("h", b"x"),))


def line(**fields: object) -> bytes:
    """A ticket's line with these fields."""
    return json.dumps(TICKET | fields).encode()


class TestCheckedLines:
    def test_carry_the_catalogues_key_and_the_headers(self) -> None:
        found = checked().read(line())
        assert (found.topic, found.key, found.headers) == (TICKETS, b"T-1", (("h", b"x"),))
        assert json.loads(found.value or b"")["channel"] == "", "defaults are filled in"

    def test_may_be_keyed_by_another_field(self) -> None:
        assert checked("tenant_id").read(line()).key == b"acme"
        customer = checked("customer.customer_id").read(line(customer={"customer_id": "Zoë"}))
        assert customer.key == "Zoë".encode()

    @pytest.mark.parametrize("wrong", [{"ticket_id": ""}, {"ticket_id": None}, {"customer": {"customer_id": ""}}])
    def test_without_a_key_are_not_valid(self, wrong: dict[str, object]) -> None:
        reader = checked("customer.customer_id") if "customer" in wrong else checked()
        with pytest.raises(ContractError):
            reader.read(line(**wrong))

    @pytest.mark.parametrize("key", ["ticketid", "customer", "created_at", "attributes"])
    def test_cannot_be_keyed_by_what_is_no_plain_field(self, key: str) -> None:
        with pytest.raises(UsageError, match=f"Ticket has no field {key}: name a text or a whole number with --key"):
            checked(key)

    def test_need_a_key_field_where_the_catalogue_names_none(self) -> None:
        topic = "enrichment.dead-letter-status.v1"
        codec = JsonCodec(KNOWN.schema_of(topic).schema)
        with pytest.raises(UsageError, match="keyed by no field of its records: name a text"):
            CheckedLines(KNOWN, topic, codec, "", ())

    def test_with_misspelt_fields_are_noticed(self) -> None:
        reader = checked()
        reader.read(line(custmer={}, **{"Jane Roe, 12 Mill Lane": 1}))
        assert reader.unknown == {"custmer": 1, "(no name)": 1}

    def test_tell_field_and_rule_and_no_value(self) -> None:
        with pytest.raises(ContractError, match=r"^body: Input should be a valid string$"):
            checked().read(line(body=["secret"]))


class TestRawLines:
    def test_are_sent_as_they_are(self) -> None:
        for data in (b"not json", b'{"ticket_id": 5}', b'{"key": "x", "other": 1}', b'["value_base64"]'):
            found = RawLines(TICKETS, ()).read(data)
            assert (found.key, found.value) == (None, data)

    def test_may_say_key_value_and_headers(self) -> None:
        said = {"key": "K", "value_base64": base64.b64encode(b"\0\xff").decode(), "headers": {"a": "b", "n": 1}}
        found = RawLines(TICKETS, (("h", b"x"),)).read(json.dumps(said).encode())
        assert (found.key, found.value) == (b"K", b"\0\xff")
        assert found.headers == (("h", b"x"), ("a", b"b"), ("n", b"1"))

    def test_may_be_null_or_empty_or_keyed_by_bytes(self) -> None:
        read = RawLines(TICKETS, ()).read
        assert read(b'{"key": "k", "value_base64": null}').value is None
        assert read(b'{"key": null, "value_base64": ""}').value == b""
        assert read(b'{"key_base64": "AAE=", "value_base64": null}').key == b"\0\x01"

    @pytest.mark.parametrize(
        "data", [b'{"value_base64": "?"}', b'{"key": 5, "value_base64": ""}', b'{"value_base64": "", "headers": []}']
    )
    def test_of_another_form_are_refused(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            RawLines(TICKETS, ()).read(data)


RECORD = Record("support.tickets.enriched.v1", 3, 118, 1772712000000, b"T-1", b"...", (("a", b"b"), ("b", b"\xff")))
VALUE = {
    "event_id": "e",
    "source": {"topic": "support.tickets.v1", "partition": 3},
    "enrichment": {
        "category": "OTHER",
        "summary": "A\x1b[31mB",
        "parties": [{"name": "x", "role": ""}],
        "due_at": None,
    },
    "provenance": {"cost_usd": Decimal("0.0000000001"), "simulated": True},
    "at": datetime(2026, 3, 5, tzinfo=UTC),
    "raw": b"\xff",
}


class TestRecords:
    def test_are_rows_for_programs(self) -> None:
        assert Shown(RECORD, VALUE).as_row() == {
            "topic": "support.tickets.enriched.v1",
            "partition": 3,
            "offset": 118,
            "timestamp": datetime(2026, 3, 5, 12, tzinfo=UTC),
            "key": "T-1",
            "headers": [{"name": "a", "value": "b"}, {"name": "b", "value": {"base64": "/w=="}}],
            "value": VALUE,
        }

    def test_that_cannot_be_decoded_keep_their_bytes(self) -> None:
        row = Shown(RECORD, None, "cannot be decoded: x").as_row()
        assert (row["value"], row["error"]) == (None, "cannot be decoded: x")
        assert row["value_base64"] == base64.b64encode(b"...").decode()

    def test_say_what_matters_first_and_nothing_empty(self) -> None:
        answer = answer_field(KNOWN, RECORD.topic)
        assert answer == "enrichment"
        printed = Shown(RECORD, VALUE).as_text(answer).plain.splitlines()
        assert printed[0] == "T-1  support.tickets.enriched.v1 3/118  2026-03-05 12:00:00 UTC"
        assert printed[1:4] == ["  category: OTHER", "  summary: A [31mB", "  parties 1: name x"]
        assert printed[-2:] == [
            "  source: topic support.tickets.v1, partition 3",
            "  provenance: cost_usd 0.0000000001, simulated yes",
        ]
        assert not any("due_at" in text for text in printed)

    def test_of_strangers_do_nothing_to_the_terminal(self) -> None:
        printed = Shown(RECORD, VALUE).as_text("enrichment").plain
        assert "\x1b" not in printed

    def test_are_cut_for_people_only(self) -> None:
        long = Shown(RECORD, {"body": "x" * 5000})
        assert "(5,000 characters)" in long.as_text("").plain
        assert len(long.as_text("").plain) < 600
        assert long.as_row()["value"] == {"body": "x" * 5000}

    def test_without_value_or_key_are_shown_as_such(self) -> None:
        nothing = Shown(Record("t", 0, 0, -1, None, None), None)
        assert nothing.as_text("").plain == "(no key)  t 0/0  1970-01-01 00:00:00 UTC\n  no value (null)\n"
