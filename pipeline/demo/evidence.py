"""What a run left in Kafka, read back: the figures for its balance, and one record before and after."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import cast

import orjson

from pipeline.catalogue import Enrichment
from pipeline.deadletters.history import EVENT_ID
from pipeline.demo.balance import Balance, Came, Paid, Sent, balance
from pipeline.demo.traffic import RUN
from pipeline.serde import Decoder, TopicCodecs
from pipeline.stream.reader import read
from pipeline.stream.record import Record

_READABLE = range(80, 600)
"""Characters of a text that a person likes to read."""
_EXAMPLES = 50
"""Kept of each enrichment, until one is found whose request can be shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """One record before and after. `prompt` is what the provider received, empty when that is not known."""

    event_id: str
    before: Mapping[str, object]
    after: Mapping[str, object]
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """All of one enrichment's records of a run."""

    balance: Balance
    examples: Sequence[Example]
    """Those that show most, the best first."""


@dataclass(frozen=True)
class Evidence:
    """Reads the records of one run. `since` is any time before its first record."""

    codecs: TopicCodecs
    client: Mapping[str, str]
    run: str
    since: datetime
    _decoders: dict[str, Decoder] = field(default_factory=dict)

    async def read(self, names: Sequence[str]) -> dict[str, Found]:
        """By enrichment. Raises UnavailableError when Kafka or the registry cannot be reached."""
        return await asyncio.to_thread(lambda: asyncio.run(self._read(names)))

    async def _read(self, names: Sequence[str]) -> dict[str, Found]:
        enrichments = [self.codecs.catalogue.enrichment(name) for name in names]
        paid = await self._paid({enrichment.usage.topic for enrichment in enrichments})
        return {
            enrichment.name: await self._found(enrichment, paid.get(enrichment.name, [])) for enrichment in enrichments
        }

    async def _paid(self, topics: set[str]) -> dict[str, list[Paid]]:
        found: dict[str, list[Paid]] = {}
        for record in self._records(sorted(topics)):
            usage = await self._decoded(record)
            paid = Paid(cast(int, usage["calls"]), cast(Decimal, usage["cost_usd"]), bool(usage["cached"]))
            found.setdefault(str(usage["enrichment"]), []).append(paid)
        return found

    async def _found(self, enrichment: Enrichment, paid: Sequence[Paid]) -> Found:
        inputs = {event_id: record for record in self._records([enrichment.input.topic]) if (event_id := _id(record))}
        sent = [Sent(event_id, record.timestamp_ms) for event_id, record in inputs.items()]
        best: list[tuple[tuple[int, ...], Example]] = []
        enriched = []
        for record in self._records([enrichment.output.topic]):
            output = await self._decoded(record)
            enriched.append(_came(record, output))
            before = inputs.get(_id(record))
            if before is not None and len(before.value or b"") in _READABLE:
                told = await self._decoded(before)
                best.append((_worth(told, output), Example(_id(before), told, output)))
                if len(best) > 2 * _EXAMPLES:
                    best = _best(best)
        dead = []
        for record in self._records([enrichment.dead_letters.topic]):
            letter = await self._decoded(record)
            dead.append(_came(record, letter, str(letter["cause"])))
        return Found(balance(sent, enriched, dead, paid), [example for _, example in _best(best)])

    async def with_prompt(
        self, enrichment: Enrichment, examples: Sequence[Example], bodies: Sequence[Mapping[str, object]]
    ) -> Example:
        """The first example whose request is among `bodies` (requests as a provider received them), with the user's
        part of it: the one whose digest its audit record holds. The first example when there is none: other workers of
        the group ask other providers.
        """
        asked = {hashlib.sha256(f"{system}\0{user}".encode()).hexdigest(): user for system, user in map(_roles, bodies)}
        digests = {}
        for record in await asyncio.to_thread(lambda: list(self._records([enrichment.audit.topic]))):
            digests[_id(record)] = str((await self._decoded(record))["prompt_sha256"])
        for example in examples:
            if prompt := asked.get(digests.get(example.event_id, "")):
                return replace(example, prompt=prompt)
        return examples[0]

    def _records(self, topics: Sequence[str]) -> Iterator[Record]:
        """This run's, of these topics."""
        run = self.run.encode()
        for record in read(self.client, topics, start=self.since):
            if (RUN, run) in record.headers:
                yield record

    async def _decoded(self, record: Record) -> Mapping[str, object]:
        decoder = self._decoders.get(record.topic)
        if decoder is None:
            decoder = self._decoders[record.topic] = self.codecs.decoder(record.topic)
        return (await decoder.decode(record.value or b"")).record


def _best(found: Iterable[tuple[tuple[int, ...], Example]]) -> list[tuple[tuple[int, ...], Example]]:
    return heapq.nlargest(_EXAMPLES, found, key=itemgetter(0))


def _id(record: Record) -> str:
    return next(((value or b"").decode() for name, value in record.headers if name == EVENT_ID), "")


def _came(record: Record, value: Mapping[str, object], cause: str | None = None) -> Came:
    source = cast(Mapping[str, int], value["source"])
    return Came(
        event_id=str(value["event_id"]),
        key=record.key,
        partition=record.partition,
        offset=record.offset,
        source_partition=source["partition"],
        source_offset=source["offset"],
        at_ms=record.timestamp_ms,
        cause=cause,
    )


def _worth(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[int, ...]:
    """How much a record shows to most people: asked for itself and not answered from the cache, in English, with many
    kinds of personal data, much of it answered.
    """
    text = orjson.dumps(before, default=str)
    provenance = cast(Mapping[str, object], after["provenance"])
    redactions = cast(Mapping[str, int], provenance["redactions"])
    answers = cast(Mapping[str, object], after["enrichment"])
    answered = sum(value not in (None, [], "") for value in answers.values())
    return not provenance["cached"], b" the " in text, text.isascii(), min(len(redactions), 4), answered, -len(text)


def _roles(body: Mapping[str, object]) -> tuple[str, str]:
    """The system's and the first user's text of a request on either wire."""
    messages = cast(Sequence[Mapping[str, object]], body.get("messages", ()))
    spoken = [(str(message["role"]), str(message["content"])) for message in messages]
    user = next((content for role, content in spoken if role == "user"), "")
    system = next((content for role, content in spoken if role in ("system", "developer")), str(body.get("system", "")))
    return system, user
