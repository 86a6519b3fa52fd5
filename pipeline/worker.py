"""A worker: one engine for each enrichment it runs, one gateway for all, and the guard that pauses them."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.catalogue import Catalogue, Enrichment, second_chance_group
from pipeline.deadletters.guard import GuardPolicy
from pipeline.deadletters.ledgers import OPERATION_TOPIC, OUTCOME_TOPIC, STATUS_TOPIC
from pipeline.deadletters.newer import Newer, scanning
from pipeline.deadletters.noted import Noted
from pipeline.deadletters.noted import scanning as scanning_notes
from pipeline.deadletters.trying import Codecs as TryCodecs
from pipeline.deadletters.trying import SecondChances
from pipeline.errors import UsageError
from pipeline.ladder import ladder
from pipeline.llm import Gateway, GatewayPolicy
from pipeline.outputs import Codecs, OutputWriter
from pipeline.pausing import Pausing, resumed_by_people
from pipeline.processor import EnrichmentProcessor
from pipeline.redact import RedactionPolicy, Redactor
from pipeline.serde import TopicCodecs
from pipeline.settings import CACHE_FOLDER, TABLES_FOLDER, Settings
from pipeline.stream.engine import Engine, EnginePolicy
from pipeline.stream.slots import WorkerSlot
from pipeline.telemetry.narration import EngineNarrator, GatewayNarrator
from pipeline.telemetry.outcomes import Outcomes
from pipeline.telemetry.status import WorkerStatus
from pipeline.vault import Keyring

_log = logging.getLogger(__name__)
_SLOTS = CACHE_FOLDER / "slots"
_HOST = f"{socket.gethostname()}-{zlib.crc32(str(_SLOTS).encode()):08x}"
"""Two users of one host keep their slots in different folders: their numbers must not make one transactional id."""
_LARGEST_MESSAGE = str(16 * 1024 * 1024)
"""Bytes a client may send: the topics' own max.message.bytes decide; a dead letter is larger than its original."""
_MOST_WAITING = 20_000
"""Dead letters that wait in one worker for their next try; with 128 MiB of them the rest is read later, too."""


class Worker:
    """Runs enrichments until it is stopped. Build it with `open`."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        slots: Sequence[WorkerSlot],
        gateway: Gateway,
        outcomes: Outcomes,
        pausing: Pausing,
        trying: Mapping[str, Engine],
        chances: Mapping[str, SecondChances],
    ) -> None:
        """`trying` are the engines that send dead letters again by themselves, `chances` their processors."""
        self._engines, self._slots, self._gateway, self._outcomes = engines, slots, gateway, outcomes
        self._pausing, self._trying, self._chances = pausing, trying, chances

    @classmethod
    async def open(cls, settings: Settings, catalogue: Catalogue, names: Sequence[str]) -> Worker:
        """A worker for the enrichments of these names, all of them when there are none.

        Raises UsageError for missing settings, UnavailableError when the registry cannot be reached.
        """
        client = {"message.max.bytes": _LARGEST_MESSAGE, **settings.kafka.client()}
        if settings.vault.keys is None:
            raise UsageError("no vault key: set PIPELINE_VAULT__KEYS to <id>:<base64 of 32 random bytes>")
        chosen = [catalogue.enrichment(name) for name in names or sorted(catalogue.enrichments)]
        keyring = Keyring.parse(settings.vault.keys.get_secret_value())
        codecs = TopicCodecs(catalogue, settings.registry)
        outcomes = Outcomes()
        gateway = Gateway.open(
            settings.providers,
            GatewayPolicy.of(settings.gateway, settings.budget),
            observer=GatewayNarrator(),
            redis=settings.redis,
        )
        simulated = frozenset(name for name, provider in settings.providers.items() if provider.simulated)
        engines: dict[str, Engine] = {}
        trying: dict[str, Engine] = {}
        chances: dict[str, SecondChances] = {}
        slots: list[WorkerSlot] = []
        for enrichment in chosen:
            tiers = ladder(enrichment, settings.providers)
            gateway.require(f"enrichment {enrichment.name}", tiers, enrichment.provider_schema)
            decoder = await asyncio.to_thread(codecs.codec, enrichment.input.topic)
            written = Codecs(
                *[
                    await asyncio.to_thread(codecs.codec, topic)
                    for topic in (
                        enrichment.output.topic,
                        enrichment.dead_letters.topic,
                        enrichment.audit.topic,
                        enrichment.usage.topic,
                        OUTCOME_TOPIC,
                    )
                ]
            )
            newer, noted = None, None
            if enrichment.spec.second_chance is not None:
                scan = scanning(client, enrichment, codecs.decoder(enrichment.output.topic))
                # The engine holds up to twice its backlog while a partition is stuck.
                newer = Newer(scan, 2 * settings.engine.backlog + settings.engine.concurrency)
                noted = Noted(scanning_notes(client, codecs.decoder(STATUS_TOPIC)))
                chances[enrichment.name] = SecondChances(
                    enrichment,
                    TryCodecs(
                        codecs.decoder(enrichment.dead_letters.topic),
                        await asyncio.to_thread(codecs.codec, STATUS_TOPIC),
                    ),
                    keyring,
                    noted,
                )
            processor = EnrichmentProcessor(
                enrichment,
                decoder,
                OutputWriter(enrichment, written, keyring, simulated),
                Redactor(
                    RedactionPolicy.from_mapping(enrichment.spec.redaction),
                    TABLES_FOLDER,
                    model=settings.redaction.ner_model,
                ),
                gateway,
                tiers,
                outcomes,
                tenant_key=keyring.tenant_key,
                newer=newer,
            )
            slot = WorkerSlot.claim(_SLOTS, enrichment.group, settings.engine.slot, _HOST)
            slots.append(slot)
            engines[enrichment.name] = _engine(settings, client, enrichment, processor, slot, newer)
            if noted is not None:
                group = second_chance_group(enrichment.name)
                slot = WorkerSlot.claim(_SLOTS, group, settings.engine.slot, _HOST)
                slots.append(slot)
                trying[enrichment.name] = _trying(settings, client, enrichment, chances[enrichment.name], noted, slot)
        guard = settings.guard
        pausing = Pausing(
            engines,
            GuardPolicy(guard.share, guard.window, guard.run, guard.probe),
            guard.probe_after,
            resumed_by_people(client, codecs.decoder(OPERATION_TOPIC)),
        )
        outcomes.listen(pausing.record)
        return cls(engines, slots, gateway, outcomes, pausing, trying, chances)

    async def run(self, until_idle: timedelta | None = None) -> None:
        """Runs until `stop`, or until nothing was left to do for `until_idle`; when one engine fails, all stop.

        Dead letters that wait for their next try are not waited for.
        Raises what the engine raised, UnavailableError when Kafka cannot be reached at the start.
        """
        watch = asyncio.create_task(self._watch(until_idle)) if until_idle is not None else None
        try:
            runs = [asyncio.create_task(engine.run()) for engine in self._all()]
            await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
            self.stop()
            await asyncio.wait(runs)
            for run in runs:
                run.result()
        finally:
            if watch is not None:
                watch.cancel()
            self._pausing.close()
            await self._gateway.close()
            for slot in self._slots:
                slot.release()

    def stop(self) -> None:
        """Takes no new records, lets those in flight finish within the grace period, commits, leaves."""
        for engine in self._all():
            engine.stop()

    @property
    def paused(self) -> Mapping[str, str]:
        """Enrichments of which nothing has come out since they were paused, and why they were."""
        return self._pausing.reasons

    def status(self) -> WorkerStatus:
        """What every part is doing now."""
        engines = {name: engine.status() for name, engine in self._engines.items()}
        chances = {name: chance.waiting.status() for name, chance in self._chances.items()}
        return WorkerStatus(engines, self._outcomes.tallies, self._gateway.status(), chances)

    def _all(self) -> list[Engine]:
        return [*self._engines.values(), *self._trying.values()]

    async def _watch(self, until_idle: timedelta) -> None:
        while True:
            await asyncio.sleep(0.2)
            statuses = [engine.status() for engine in self._engines.values()]
            if all(status.idle_for(time.monotonic()) >= until_idle.total_seconds() for status in statuses):
                self.stop()
                return


def _trying(
    settings: Settings,
    client: Mapping[str, str],
    enrichment: Enrichment,
    chances: SecondChances,
    noted: Noted,
    slot: WorkerSlot,
) -> Engine:
    return Engine(
        chances,
        topics=[enrichment.dead_letters.topic],
        group=second_chance_group(enrichment.name),
        transactional_id=slot.transactional_id,
        client=client,
        observer=EngineNarrator(f"{enrichment.name}, second chances", begun=noted.begun),
        # They wait, most of the time: nothing is spent on one that is given up.
        policy=EnginePolicy(
            concurrency=_MOST_WAITING,
            backlog=_MOST_WAITING,
            commit_interval=settings.engine.commit_interval,
            grace=timedelta(0),
            group_protocol=settings.kafka.group_protocol,
        ),
    )


def _engine(
    settings: Settings,
    client: Mapping[str, str],
    enrichment: Enrichment,
    processor: EnrichmentProcessor,
    slot: WorkerSlot,
    newer: Newer | None,
) -> Engine:
    name = enrichment.name
    return Engine(
        processor,
        topics=[enrichment.input.topic],
        group=enrichment.group,
        transactional_id=slot.transactional_id,
        client=client,
        observer=EngineNarrator(name) if newer is None else EngineNarrator(name, newer.forget),
        policy=EnginePolicy(
            concurrency=settings.engine.concurrency,
            backlog=settings.engine.backlog,
            commit_interval=settings.engine.commit_interval,
            grace=settings.engine.grace,
            group_protocol=settings.kafka.group_protocol,
        ),
    )
