"""What is spent is counted once, also when the reading of the ledger breaks off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pipeline.catalogue import load
from pipeline.console import spending
from pipeline.console.spending import Cost, Spending
from pipeline.errors import UnavailableError
from pipeline.serde import Registry, TopicCodecs
from pipeline.serde.codec import AvroCodec
from pipeline.serde.registry import parsed
from pipeline.settings import BudgetSettings, CatalogueSettings, LimitSettings, RegistrySettings, Settings
from pipeline.stream.reader import Part, Span
from pipeline.stream.record import Record

LEDGER = "enrichment.usage.v1"
CATALOGUE = load(CatalogueSettings())
SCHEMA = CATALOGUE.schema_of(LEDGER).schema


class _Registry(Registry):
    def known(self, schema_id: int) -> Mapping[str, object]:
        return parsed(SCHEMA)


@dataclass
class Ledger:
    """A ledger of one partition; `breaks_at` is where reading ends once with Kafka's absence."""

    used: list[dict[str, object]] = field(default_factory=list)
    breaks_at: int | None = None

    def spans(self, *_: object) -> dict[Part, Span]:
        return {(LEDGER, 0): Span(0, len(self.used))}

    def read(self, *_: object, start: datetime | Mapping[Part, int]) -> Iterator[Record]:
        codec = AvroCodec(_Registry(RegistrySettings(url="http://127.0.0.1:9")), SCHEMA, 1)
        begin = 0 if isinstance(start, datetime) else start[LEDGER, 0]
        for place in range(begin, len(self.used)):
            if place == self.breaks_at:
                self.breaks_at = None
                raise UnavailableError("Kafka was silent")
            yield Record(LEDGER, 0, place, 0, b"", codec.encode(self.used[place]))


def _used(at: datetime) -> dict[str, object]:
    return {
        "event_id": "E-1",
        "tenant_id": "acme",
        "enrichment": "tickets",
        "at": at,
        "provider": "openai",
        "model": "m-1",
        "tier": "small",
        "simulated": False,
        "cached": False,
        "calls": 1,
        "input_tokens": 100,
        "cached_tokens": 0,
        "output_tokens": 50,
        "cost_usd": Decimal("0.5"),
    }


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    found = Ledger([_used(datetime.now(UTC))] * 3)
    monkeypatch.setattr(spending, "read", found.read)
    monkeypatch.setattr(spending, "spans", found.spans)
    return found


@pytest.fixture
def spent() -> Spending:
    return _spending(Settings())


def _spending(settings: Settings) -> Spending:
    codecs = TopicCodecs(CATALOGUE, RegistrySettings())
    codecs.__dict__["registry"] = _Registry(RegistrySettings(url="http://127.0.0.1:9"))
    return Spending({}, codecs, settings)


def _today(spent: Spending) -> Decimal | None:
    found = spent.today("tickets")
    return None if found is None else found.usd


@pytest.mark.parametrize("read_before", [0, 3])
def test_what_was_read_before_a_break_is_not_counted_twice(ledger: Ledger, spent: Spending, read_before: int) -> None:
    if read_before:
        spent.refresh(60)
        ledger.used += ledger.used
    ledger.breaks_at = read_before + 2
    spent.refresh(60)
    assert "silent" in spent.trouble
    assert _today(spent) == (Decimal("1.5") if read_before else None)
    spent.refresh(60)
    assert spent.trouble == ""
    assert _today(spent) == len(ledger.used) * Decimal("0.5")


def test_budgets_count_their_period_and_whose_they_are(ledger: Ledger) -> None:
    limits = [
        LimitSettings(tenant="acme", period="month", usd=Decimal(3)),
        LimitSettings(tenant="other", usd=Decimal(3)),
        LimitSettings(enrichment="tickets", tokens=900),
    ]
    ledger.used.insert(0, _used(datetime.now(UTC) - timedelta(days=40)))
    ledger.used.append({**_used(datetime.now(UTC)), "simulated": True})
    spent = _spending(Settings(budget=BudgetSettings(limits=limits, daily_usd=Decimal(4))))
    spent.refresh(60)
    assert [use.share for use in spent.budgets()] == pytest.approx([2 / 3, 0, 2 / 3, 0.5])
    assert spent.today("tickets") == Cost(Decimal(2), Decimal("0.5"))
