"""What is spent, added up from the ledger of usage: by day, tenant and enrichment, of all workers together."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, cast

from pipeline.catalogue import Catalogue
from pipeline.errors import PipelineError, RecordError
from pipeline.llm.budget import ANY, Budget, LocalLedger, Period, Spent
from pipeline.llm.policy import GatewayPolicy
from pipeline.serde import Decoder, TopicCodecs, decode_now
from pipeline.settings import Settings
from pipeline.stream.reader import Part, read, spans


@dataclass(frozen=True, slots=True)
class Cost:
    """Money in US dollars; `simulated` is the part of it that nobody pays."""

    usd: Decimal
    simulated: Decimal


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """One budget and what of it is spent in its period."""

    limit: Budget
    spent: Spent

    @property
    def share(self) -> float:
        """Of what may be spent, by money or tokens, whichever is nearer to its end."""
        return float(self.limit.used(self.spent))


class Spending:
    """Reads the ledger on, on a thread of its own: the first time it may be long."""

    def __init__(self, client: Mapping[str, str], codecs: TopicCodecs, settings: Settings) -> None:
        self._client, self._codecs = client, codecs
        self._budgets = GatewayPolicy.of(settings.gateway, settings.budget).budgets
        self._paid, self._simulated = LocalLedger(), LocalLedger()
        self._positions: dict[Part, int] | None = None
        self._decoders: dict[str, Decoder] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.trouble: str = ""
        """Why it could not be counted the last time."""

    def refresh(self, within: float) -> None:
        """Reads on; returns when it is done or after so many seconds, and then it goes on by itself."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._read, name="spending", daemon=True)
            self._thread.start()
        self._thread.join(within)

    def today(self, enrichment: str) -> Cost | None:
        """Since midnight UTC; None while it is not counted yet."""
        if self._positions is None:
            return None
        now = datetime.now(UTC)
        with self._lock:
            usd, simulated = (
                ledger.spent(ANY, enrichment, Period.DAY, now).usd for ledger in (self._paid, self._simulated)
            )
        return Cost(usd + simulated, simulated)

    def budgets(self) -> list[BudgetUse]:
        """Those that are set, in their order; none while it is not counted yet."""
        if self._positions is None:
            return []
        now = datetime.now(UTC)
        with self._lock:
            return [
                BudgetUse(one, self._paid.spent(*whose, now) + self._simulated.spent(*whose, now))
                for one in self._budgets
                for whose in [(one.tenant, one.enrichment, one.period)]
            ]

    def _read(self) -> None:
        try:
            self._read_on()
            self.trouble = ""
        except PipelineError as error:
            self.trouble = str(error)

    def _read_on(self) -> None:
        catalogue: Catalogue = self._codecs.catalogue
        topics = sorted({one.usage.topic for one in catalogue.enrichments.values()})
        ends = {part: span.end for part, span in spans(self._client, topics).items()}
        if self._positions is None:
            now = datetime.now(UTC)
            months = any(budget.period is Period.MONTH for budget in self._budgets)
            records = read(self._client, topics, start=(Period.MONTH if months else Period.DAY).begins(now))
        else:
            begins = {part: self._positions.get(part, 0) for part, end in ends.items()}
            begins = {part: place for part, place in begins.items() if place < ends[part]}
            records = read(self._client, topics, start=begins) if begins else iter(())
        places, new = dict(ends), defaultdict[_Whose, Spent](Spent)
        for record in records:
            part = record.topic, record.partition
            places[part] = max(places.get(part, 0), record.offset + 1)
            self._take(new, record.topic, record.value)
        # Sums and positions change together, at the end: a read that breaks off is done anew, and counts once.
        with self._lock:
            for one, spent in new.items():
                (self._simulated if one.simulated else self._paid).add(one.tenant, one.enrichment, spent, one.day)
            self._positions = places

    def _take(self, sums: defaultdict[_Whose, Spent], topic: str, value: bytes | None) -> None:
        if topic not in self._decoders:
            self._decoders[topic] = self._codecs.decoder(topic)
        try:
            used = decode_now(self._decoders[topic], value or b"").record
        except RecordError:
            return
        day = Period.DAY.begins(cast(datetime, used["at"]))
        whose = _Whose(str(used["tenant_id"]), str(used["enrichment"]), day, bool(used["simulated"]))
        tokens = cast(int, used["input_tokens"]) + cast(int, used["output_tokens"])
        sums[whose] += Spent(cast(Decimal, used["cost_usd"]), tokens)


class _Whose(NamedTuple):
    tenant: str
    enrichment: str
    day: datetime
    simulated: bool
