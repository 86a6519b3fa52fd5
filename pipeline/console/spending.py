"""What is spent, added up from the ledger of usage: by day, tenant and enrichment, of all workers together."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from pipeline.catalogue import Catalogue
from pipeline.errors import PipelineError, RecordError
from pipeline.serde import Decoder, TopicCodecs, decode_now
from pipeline.settings import LimitSettings, Settings
from pipeline.stream.reader import Part, read, spans

_ANY = "*"
_Whose = tuple[date, str, str]
"""Day, tenant and enrichment."""


@dataclass(slots=True)
class Sum:
    """Money in US dollars and tokens; `simulated` is the part of the money that nobody pays."""

    usd: Decimal = Decimal(0)
    simulated: Decimal = Decimal(0)
    tokens: int = 0

    def add(self, other: Sum) -> None:
        """Takes another one in."""
        self.usd += other.usd
        self.simulated += other.simulated
        self.tokens += other.tokens


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """One budget and what of it is spent in its period."""

    limit: LimitSettings
    spent: Sum

    @property
    def share(self) -> float:
        """Of what may be spent, by money or tokens, whichever is nearer to its end."""
        shares = [float(self.spent.usd / self.limit.usd)] if self.limit.usd else []
        return max([*shares, self.spent.tokens / self.limit.tokens] if self.limit.tokens else shares, default=0.0)


class Spending:
    """Reads the ledger on, on a thread of its own: the first time it may be long."""

    def __init__(self, client: Mapping[str, str], codecs: TopicCodecs, settings: Settings) -> None:
        self._client, self._codecs = client, codecs
        self._limits: Sequence[LimitSettings] = settings.budget.limits
        if settings.budget.daily_usd:
            self._limits = (LimitSettings(usd=settings.budget.daily_usd, soft_share=Decimal(1)), *self._limits)
        self._sums: dict[_Whose, Sum] = {}
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

    def today(self, enrichment: str) -> Sum | None:
        """Since midnight UTC; None while it is not counted yet."""
        day = datetime.now(UTC).date()
        return self._sum(day, day, _ANY, enrichment) if self._positions is not None else None

    def budgets(self) -> list[BudgetUse]:
        """Those that are set, in their order; none while it is not counted yet."""
        if self._positions is None:
            return []
        day = datetime.now(UTC).date()
        return [
            BudgetUse(
                limit,
                self._sum(day.replace(day=1) if limit.period == "month" else day, day, limit.tenant, limit.enrichment),
            )
            for limit in self._limits
        ]

    def _sum(self, first: date, last: date, tenant: str, enrichment: str) -> Sum:
        total = Sum()
        with self._lock:
            for (day, whose, name), part in self._sums.items():
                if first <= day <= last and tenant in (_ANY, whose) and enrichment in (_ANY, name):
                    total.add(part)
        return total

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
            months = any(limit.period == "month" for limit in self._limits)
            start = datetime(now.year, now.month, 1 if months else now.day, tzinfo=UTC)
            records = read(self._client, topics, start=start)
        else:
            begins = {part: self._positions.get(part, 0) for part, end in ends.items()}
            begins = {part: place for part, place in begins.items() if place < ends[part]}
            records = read(self._client, topics, start=begins) if begins else iter(())
        places, new = dict(ends), defaultdict[_Whose, Sum](Sum)
        for record in records:
            part = record.topic, record.partition
            places[part] = max(places.get(part, 0), record.offset + 1)
            self._take(new, record.topic, record.value)
        # Sums and positions change together, at the end: a read that breaks off is done anew, and counts once.
        today = datetime.now(UTC).date()
        with self._lock:
            for whose, found in new.items():
                self._sums.setdefault(whose, Sum()).add(found)
            self._sums = {whose: found for whose, found in self._sums.items() if whose[0] >= today.replace(day=1)}
            self._positions = places

    def _take(self, sums: defaultdict[_Whose, Sum], topic: str, value: bytes | None) -> None:
        if topic not in self._decoders:
            self._decoders[topic] = self._codecs.decoder(topic)
        try:
            used = decode_now(self._decoders[topic], value or b"").record
        except RecordError:
            return
        paid = cast(Decimal, used["cost_usd"])
        part = sums[cast(datetime, used["at"]).date(), str(used["tenant_id"]), str(used["enrichment"])]
        part.add(
            Sum(
                paid,
                paid if used["simulated"] else Decimal(0),
                int(cast(int, used["input_tokens"])) + int(cast(int, used["output_tokens"])),
            )
        )
