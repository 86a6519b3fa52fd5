"""The operator's desk: everything a person can do with dead letters, for the command line and the console alike.

Plain calls that block: an event loop gives them to a thread. What is read comes from the index, which `catch_up` keeps
what the topics say; what is done goes to the topics, with its audit.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import contract
from pipeline.catalogue import Catalogue, Enrichment
from pipeline.deadletters import transfer
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.audit import Action, Audit, Result, about
from pipeline.deadletters.canary import CanaryPolicy
from pipeline.deadletters.changes import Change
from pipeline.deadletters.closing import Closer
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Coordinates, Edit, Entry, Follower, Group, Index, Operation, Stats
from pipeline.deadletters.index.following import Progress
from pipeline.deadletters.mending import Mended, Mender, Opened
from pipeline.deadletters.overrides import NOTHING, Override
from pipeline.deadletters.prices import CallPrices, list_price
from pipeline.deadletters.quotas import allowed_rate
from pipeline.deadletters.reading import DeadLetter, DeadLetterTopics
from pipeline.deadletters.replay import Plan, Replayer, Report, Told
from pipeline.deadletters.sending import Order
from pipeline.deadletters.values import Values
from pipeline.errors import UsageError
from pipeline.serde import TopicCodecs
from pipeline.settings import CACHE_FOLDER, TABLES_FOLDER, Settings
from pipeline.stream.admin import Admin
from pipeline.vault import Keyring

if TYPE_CHECKING:
    from pipeline.redact import Redactor
    from pipeline.tracing import Trace, Tracer


@dataclass(frozen=True, slots=True)
class Story:
    """One dead letter, and all that was done with it. `entry` is its row, with the status it has now."""

    entry: Entry
    letter: DeadLetter
    edits: Sequence[Edit]
    operations: Sequence[Operation]
    later: Sequence[Entry]
    """Other dead letters of the same event, by time of death."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """What only a key opens: the original, what it would be replaced by, and how each edit changed it."""

    original: Opened
    value: Opened
    diffs: Sequence[str]


class Desk:
    """Build it with `open`; everything raises UnavailableError when Kafka or the registry is away."""

    def __init__(self, settings: Settings, topics: DeadLetterTopics, index: Index) -> None:
        self._settings, self._topics, self._index = settings, topics, index
        self._follower = Follower(topics, index)
        self._audit = Audit(topics)

    @classmethod
    def open(cls, settings: Settings, catalogue: Catalogue) -> Desk:
        """The desk of the cluster that the settings name. Raises UsageError for missing settings."""
        client = settings.kafka.client()
        folder = Path(settings.dead_letters.index) if settings.dead_letters.index else CACHE_FOLDER / "dead-letters"
        name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in Admin(client).cluster_id())
        topics = DeadLetterTopics(TopicCodecs(catalogue, settings.registry), client)
        return cls(settings, topics, Index(folder / f"{name}.sqlite"))

    def require(self, actor: Actor, action: Action, role: Role, why: str = "") -> None:
        """Before anything else is looked at for a deed. Raises NotAllowedError, and audits it."""
        with self._audit.watched(actor, action, role, why):
            pass

    # ---- seeing

    def catch_up(self, told: Callable[[Progress], None] = lambda _: None) -> int:
        """Reads what is new in the topics; how many records."""
        return self._follower.catch_up(told)

    def topics(self, topic: str | None) -> list[str]:
        """The dead-letter topics, or the one of that input topic. Raises UsageError when there is none."""
        return self._topics.topics(topic)

    def letters(self, wanted: Filter, limit: int = 0) -> Sequence[Entry]:
        """Those that match, by time of death; of more than `limit` the newest, 0: all."""
        return self._index.select(wanted, limit)

    def causes(self, wanted: Filter) -> Counter[str]:
        """How many match, by cause."""
        return self._index.causes(wanted)

    def groups(self, wanted: Filter, now: datetime) -> Sequence[Group]:
        """By fingerprint, the largest first."""
        return self._index.groups(wanted, now)

    def stats(self, wanted: Filter) -> Stats:
        """Numbers by everything there is a closed list of."""
        return self._index.stats(wanted)

    def news(self, wanted: Filter, number: int | None = None) -> tuple[Sequence[Entry], int]:
        """Those that came into the index after the row `number` (None: none yet), and the number to ask with next."""
        return ([], self._index.last_number()) if number is None else self._index.newer(wanted, number)

    def outcomes(self, replay_id: str) -> Counter[Status]:
        """How those stand that one replay sent."""
        return self._index.statuses(replay_id)

    def operations(self, limit: int = 0) -> Sequence[Operation]:
        """What people did, the newest last."""
        return self._index.operations(limit=limit)

    def story(self, named: str) -> Story:
        """All about the dead letter of an id, or the newest of an event. Raises UsageError when there is none."""
        entries = self._index.select(Filter(ids=[named]))
        if not entries:
            raise UsageError(f"no dead letter {named}: pipeline dead-letters list --status all")
        entry = entries[-1]
        letter = next(self._topics.letters([(entry.at, entry.status)]), None)
        if letter is None:
            raise UsageError(f"dead letter {named} is no longer in its topic")
        others = self._index.select(Filter(ids=[entry.event_id]))
        return Story(
            entry,
            letter,
            self._index.edits(entry.at),
            self._index.operations(entry.at),
            [one for one in others if one.at != entry.at],
        )

    def reveal(self, actor: Actor, story: Story, why: str = "") -> Revealed:
        """Its values in clear; audited before they are given. Raises NotAllowedError, UsageError without a key."""
        with self._audit.watched(actor, Action.REVEAL, Role.PRIVACY, why, f"of {story.entry.id}"):
            mender = self._mender
            found = Revealed(
                mender.open(story.letter),
                mender.open(story.letter, story.edits),
                self._values.diffs(story.edits),
            )
            done = self._audit.operation(actor, Action.REVEAL, Result.DONE, why)
            self._audit.write(*about(done, [story.entry]))
            return found

    def trace(self, named: str, since: datetime) -> Trace:
        """The way of a record, without personal data. `named` is a dead letter, an event, or where its input stands;
        an event of which none died is looked for since then. Raises UsageError when there is none.
        """
        return self._tracer.trace(self._place(named, since))

    def reveal_trace(self, actor: Actor, named: str, since: datetime, why: str) -> Trace:
        """The same in clear; audited before it is given. Raises NotAllowedError."""
        with self._audit.watched(actor, Action.REVEAL, Role.PRIVACY, why, f"trace of {named}"):
            at = self._place(named, since)
            found = self._tracer.trace(at, clear=True)
            done = self._audit.operation(actor, Action.REVEAL, Result.DONE, why, f"trace of {at}")
            self._audit.write(replace(done, event_id=found.event_id))
            return found

    # ---- mending

    def open_value(self, actor: Actor, story: Story) -> Opened:
        """The value that a replay would send, to be changed. Raises NotAllowedError; audited as a reveal."""
        return self.reveal(actor, story, "to mend it").value

    def edit(self, actor: Actor, opened: Opened, text: str, why: str) -> Mended:
        """Keeps a value as a person wrote it. Raises UsageError that names the field when it is not taken."""
        with self._audit.watched(actor, Action.EDIT, Role.OPERATOR, why, f"of {opened.letter.id}"):
            mended = self._mender.accept(opened, text)
            if mended.fields:
                self._mender.keep(actor, [mended], why)
            return mended

    def mend(self, actor: Actor, story: Story, text: str, why: str) -> Mended:
        """`edit` for who knows the value already, from `open_value`: it is opened, and given to nobody."""
        with self._audit.watched(actor, Action.EDIT, Role.OPERATOR, why, f"of {story.entry.id}"):
            mended = self._mender.accept(self._mender.open(story.letter, story.edits), text)
            if mended.fields:
                self._mender.keep(actor, [mended], why)
            return mended

    def change(
        self, actor: Actor, wanted: Filter, changes: Callable[[contract.Schema], Sequence[Change]], why: str
    ) -> Sequence[Mended]:
        """Changes all that match and are open, or none: raises UsageError that names the first that is not taken."""
        with self._audit.watched(actor, Action.EDIT, Role.OPERATOR, why):
            entries = self._index.select(replace(wanted, statuses=(Status.OPEN,)))
            mended = []
            for letter in self._topics.letters((entry.at, entry.status) for entry in entries):
                opened = self._mender.open(letter, self._index.edits(letter.at))
                try:
                    one = self._mender.change(opened, changes(self._mender.schema(letter)))
                except UsageError as error:
                    raise UsageError(f"{letter.id}: {error}") from None
                if one.fields:
                    mended.append(one)
            self._mender.keep(actor, mended, why)
            return mended

    def resolve(self, actor: Actor, wanted: Filter, why: str) -> Sequence[Entry]:
        """Closes all that match and are open or dead again, without sending them. Raises UsageError without a why."""
        with self._audit.watched(actor, Action.RESOLVE, Role.OPERATOR, why):
            if not why.strip():
                raise UsageError("say --why: it is all that will be known of them")
            entries = [e for e in self._index.select(wanted) if e.status is Status.OPEN]
            self._closer.close(actor, entries, why, Action.RESOLVE)
            return entries

    # ---- replaying

    def plan(
        self,
        actor: Actor,
        wanted: Filter,
        rate: float = 0,
        *,
        force: bool = False,
        told: Callable[[int], None] = lambda _: None,
    ) -> Plan:
        """What a replay of all that match would do. Raises NotAllowedError, and audits it."""
        with self._audit.watched(actor, Action.REPLAY, Role.OPERATOR):
            entries = self._index.select(wanted)
            prices = CallPrices(entries, functools.partial(list_price, self._topics.codecs.catalogue, self._settings))
            return self._replayer.plan(
                entries,
                allowed_rate(rate, entries, self._topics.codecs.catalogue, self._settings),
                prices,
                force=force,
                told=told,
            )

    def replay(
        self,
        actor: Actor,
        plan: Plan,
        why: str,
        *,
        override: Override = NOTHING,
        canary: CanaryPolicy | None = None,
        replay_id: str = "",
        force: bool = False,
        wait: bool = False,
        stop: threading.Event | None = None,
        told: Told = lambda _: None,
    ) -> Report:
        """Runs a plan, its beginning and its end audited. `replay_id` goes on with a replay that was killed.

        Raises NotAllowedError; UsageError for an override that the enrichments do not know.
        """
        with self._audit.watched(actor, Action.REPLAY, Role.OPERATOR, why):
            for name in sorted({entry.enrichment for entry in plan.due}):
                override.require(self._topics.codecs.catalogue.enrichment(name))
            order = Order(actor.name, why, plan.rate, override)
            order = replace(order, replay_id=replay_id) if replay_id else order
            begun = self._audit.operation(actor, Action.REPLAY, Result.BEGUN, why, f"{len(plan.due)} to send")
            self._audit.write(replace(begun, replay_id=order.replay_id))
            report = self._replayer.run(
                plan, order, canary or self.canary(), force=force, wait=wait, stop=stop, told=told
            )
            result = Result.DONE if report.complete else Result.STOPPED
            told_of = ", ".join(f"{count} {status.value}" for status, count in sorted(report.outcomes.items()))
            ended = self._audit.operation(actor, Action.REPLAY, result, why, f"{report.sent} sent; {told_of}")
            self._audit.write(replace(ended, replay_id=order.replay_id))
            return report

    def canary(self, records: int | None = None) -> CanaryPolicy:
        """The one that the settings say, with so many records."""
        found = self._settings.dead_letters
        return CanaryPolicy(
            found.canary if records is None else records, found.canary_bound, found.canary_timeout.total_seconds()
        )

    # ---- carrying away and back

    def exported(self, actor: Actor, wanted: Filter) -> Iterator[dict[str, object]]:
        """All that match, as lines of JSON may hold them: sealed as they are."""
        entries = self._index.select(wanted)
        with self._audit.watched(actor, Action.EXPORT, Role.OPERATOR):
            self._audit.write(
                self._audit.operation(actor, Action.EXPORT, Result.DONE, detail=f"{len(entries)} dead letters")
            )
        return transfer.exported(self._topics, entries)

    def put_back(self, actor: Actor, lines: Iterable[bytes]) -> tuple[int, int]:
        """Puts exported dead letters back that are not there, under the ids they had; how many, and of how many.

        What had been dealt with where it was exported is closed at once: it is not to be sent a second time.
        Raises UsageError that names the first line that is no dead letter; then none is put back.
        """
        with self._audit.watched(actor, Action.IMPORT, Role.OPERATOR):
            wanted = transfer.understood(lines, self._topics)
            new = transfer.put_back(self._topics, self._index, wanted)
            self.catch_up()
            closed = {one.id: one for one in new if one.status is not Status.OPEN}
            entries = [e for e in self._index.select(Filter(ids=[*closed])) if e.id in closed] if closed else []
            self._closer.close(actor, entries, "dealt with where it was exported", Action.IMPORT)
            done = self._audit.operation(actor, Action.IMPORT, Result.DONE, detail=f"{len(new)} of {len(wanted)}")
            self._audit.write(done)
            return len(new), len(wanted)

    # ---- workers

    def resume(self, actor: Actor, enrichment: str, why: str) -> None:
        """Tells the workers of an enrichment that their guard paused to go on. Raises NotAllowedError."""
        with self._audit.watched(actor, Action.RESUME, Role.OPERATOR, why):
            self._topics.codecs.catalogue.enrichment(enrichment)
            done = self._audit.operation(actor, Action.RESUME, Result.DONE, why)
            self._audit.write(replace(done, enrichment=enrichment))

    # ---- inside

    @cached_property
    def _keyring(self) -> Keyring:
        keys = self._settings.vault.keys
        if keys is None:
            raise UsageError("no vault key, so no original can be opened: set PIPELINE_VAULT__KEYS")
        return Keyring.parse(keys.get_secret_value())

    @cached_property
    def _closer(self) -> Closer:
        return Closer(self._topics, self._audit)

    @cached_property
    def _values(self) -> Values:
        return Values(self._topics, self._keyring)

    @cached_property
    def _mender(self) -> Mender:
        return Mender(self._topics, self._values, self._audit, self._redactor)

    @cached_property
    def _replayer(self) -> Replayer:
        return Replayer(self._topics, self._index, self._follower, self._values, self._keyring)

    @cached_property
    def _tracer(self) -> Tracer:
        # What makes prompts takes seconds to import: only who traces waits for it.
        from pipeline.tracing import Tracer

        tenant_key = self._keyring.tenant_key if self._settings.vault.keys is not None else None
        return Tracer(self._topics.codecs, self._topics.client, self._redactor, tenant_key)

    def _place(self, named: str, since: datetime) -> Coordinates:
        """Where the input record of a name stands; dead letters are known at once."""
        if known := self._index.select(Filter(ids=[named])):
            first = known[0]
            return Coordinates(first.source_topic, first.source_partition, first.source_offset)
        return self._tracer.place(named, since)

    def _redactor(self, enrichment: Enrichment) -> Redactor:
        # Its tables take longer to load than most commands take.
        from pipeline.redact import RedactionPolicy, Redactor

        policy = RedactionPolicy.from_mapping(enrichment.spec.redaction)
        return Redactor(policy, TABLES_FOLDER, model=self._settings.redaction.ner_model)
