"""The operator's desk: everything a person can do with dead letters, for the command line and the console alike.

Plain calls that block: an event loop gives them to a thread. What anybody may see is `SeeingDesk`'s; here is what takes
a role, and goes to the topics with its audit.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline import contract
from pipeline.catalogue import Enrichment
from pipeline.deadletters import transfer
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.audit import Action, Audit, Result, about
from pipeline.deadletters.canary import CanaryPolicy
from pipeline.deadletters.changes import Change
from pipeline.deadletters.closing import Closer
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Entry, Index
from pipeline.deadletters.mending import Mended, Mender, Opened
from pipeline.deadletters.overrides import NOTHING, Override
from pipeline.deadletters.prices import CallPrices, list_price
from pipeline.deadletters.quotas import allowed_rate
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.deadletters.replay import Plan, Replayer, Report, Told
from pipeline.deadletters.seeing import SeeingDesk
from pipeline.deadletters.seeing import Story as Story
from pipeline.deadletters.sending import Order
from pipeline.deadletters.values import Values
from pipeline.errors import UsageError
from pipeline.settings import TABLES_FOLDER, Settings
from pipeline.vault import Keyring

if TYPE_CHECKING:
    from pipeline.redact import Redactor
    from pipeline.tracing import Trace, Tracer


@dataclass(frozen=True, slots=True)
class Revealed:
    """What only a key opens: the original, what it would be replaced by, and how each edit changed it."""

    original: Opened
    value: Opened
    diffs: Sequence[str]


class Desk(SeeingDesk):
    """Build it with `open`; everything raises UnavailableError when Kafka or the registry is away."""

    def __init__(self, settings: Settings, topics: DeadLetterTopics, index: Index) -> None:
        super().__init__(settings, topics, index)
        self._audit = Audit(topics)

    def require(self, actor: Actor, action: Action, role: Role, why: str = "") -> None:
        """Before anything else is looked at for a deed. Raises NotAllowedError, and audits it."""
        with self._audit.watched(actor, action, role, why):
            pass

    # ---- personal data

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
        return self._tracer.trace(self._tracer.place(named, since))

    def reveal_trace(self, actor: Actor, named: str, since: datetime, why: str) -> Trace:
        """The same in clear; audited before it is given. Raises NotAllowedError."""
        with self._audit.watched(actor, Action.REVEAL, Role.PRIVACY, why, f"trace of {named}"):
            at = self._tracer.place(named, since)
            found = self._tracer.trace(at, clear=True)
            done = self._audit.operation(actor, Action.REVEAL, Result.DONE, why, f"trace of {at}")
            self._audit.write(replace(done, event_id=found.event_id))
            return found

    # ---- mending

    def open_value(self, actor: Actor, story: Story) -> Opened:
        """The value that a replay would send, to be changed. Raises NotAllowedError; audited as a reveal."""
        return self.reveal(actor, story, "to mend it").value

    def edit(self, actor: Actor, opened: Opened, text: str, why: str) -> Mended:
        """Keeps a value as a person wrote it, who may see it, too: what is taken tells of what stood there.

        Raises NotAllowedError; UsageError that names the field when it is not taken.
        """
        with self._audit.watched(actor, Action.EDIT, Role.OPERATOR, why, f"of {opened.letter.id}"):
            actor.require(Role.PRIVACY)
            mended = self._mender.accept(opened, text)
            if mended.fields:
                self._mender.keep(actor, [mended], why)
            return mended

    def mend(self, actor: Actor, story: Story, text: str, why: str) -> Mended:
        """`edit` of the value that stands there now, which is opened for it and not returned."""
        with self._audit.watched(actor, Action.EDIT, Role.OPERATOR, why, f"of {story.entry.id}"):
            actor.require(Role.PRIVACY)
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
        return Tracer(self._topics.codecs, self._topics.client, self._redactor, tenant_key, self._of)

    def _of(self, named: str) -> Sequence[Entry]:
        return self._index.select(Filter(ids=[named]))

    def _redactor(self, enrichment: Enrichment) -> Redactor:
        # Its tables take longer to load than most commands take.
        from pipeline.redact import RedactionPolicy, Redactor

        policy = RedactionPolicy.from_mapping(enrichment.spec.redaction)
        return Redactor(policy, TABLES_FOLDER, model=self._settings.redaction.ner_model)
