"""Pages of replays: what would be sent, sending it, and how it goes, told as it happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response, StreamingResponse

from pipeline.catalogue import Catalogue
from pipeline.console.choosing import Choice
from pipeline.console.runs import Preview, Run, RunState, Wish
from pipeline.console.visit import Visit
from pipeline.deadletters.actor import Role
from pipeline.deadletters.audit import Action, Result
from pipeline.deadletters.canary import Verdict
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Operation
from pipeline.deadletters.overrides import Override
from pipeline.errors import PipelineError, UsageError

_LOOK_S: Final = 1.0
"""Between two words of a live page."""
_MOST_REPLAYS: Final = 1000
"""Beginnings and ends that are looked through for the newest replays."""


async def preview(visit: Visit) -> Response:
    """What sending the chosen ones would do, and how it can be done."""
    choice, force = Choice.of(visit.form), visit.form.checked("force")
    rate = visit.form.number("rate", "Records a second") or 0.0

    def planned(desk: Desk) -> Preview:
        plan = desk.plan(visit.actor, choice.filter(desk), rate, force=force)
        return visit.office.runs.keep(visit.actor, plan, force, choice.query())

    # Who may not is refused in the audit: the next page is to show it.
    seen = await visit.office.desk.do(planned)
    names = sorted({entry.enrichment for entry in seen.plan.due})
    return visit.page(
        "preview.html",
        seen=seen,
        choice=choice,
        force=force,
        rate=visit.form.text("rate"),
        causes=Counter(entry.cause for entry in seen.plan.due).most_common(),
        canary=visit.office.settings.dead_letters.canary,
        bound=visit.office.settings.dead_letters.canary_bound,
        prompts=_prompts(visit.office.catalogue, names),
        tiers=_tiers(visit.office.catalogue, names),
    )


async def send(visit: Visit) -> Response:
    """Sends what a preview showed."""
    form = visit.form
    number = form.number("canary", "The number of first records")
    why = form.text("why")

    def begun(desk: Desk) -> Run:
        desk.require(visit.actor, Action.REPLAY, Role.OPERATOR, why)
        seen = visit.office.runs.preview(visit.actor, form.text("preview"))
        wish = Wish(
            visit.form.why(),
            Override(form.text("prompt"), form.text("tier")),
            desk.canary(None if number is None else int(number)),
        )
        return visit.office.runs.begin(desk, visit.actor, seen, wish)

    run = await visit.office.desk.do(begun)
    return visit.to(f"/replays/{run.id}")


async def stop(visit: Visit) -> Response:
    """Ends a replay between two transactions."""
    replay_id = visit.request.path_params["replay_id"]
    run = visit.office.runs.run(replay_id)

    def stopped(desk: Desk) -> None:
        desk.require(visit.actor, Action.REPLAY, Role.OPERATOR, "to stop it")
        if run is None or run.state is not RunState.RUNNING:
            raise UsageError("this replay is not being sent by this console")
        run.stop.set()

    await visit.office.desk.do(stopped)
    return visit.to(f"/replays/{replay_id}")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a replay stands: what its topics say, and what this console knows of it where it began here."""

    id: str
    run: Run | None
    outcomes: Counter[Status]
    by: str
    why: str
    result: str
    """As the audit has it."""
    trouble: str = ""
    """Why it could not be looked at now."""

    @property
    def sent(self) -> int:
        """Records that went."""
        return max(self.outcomes.total(), self.run.report.sent if self.run else 0)

    @property
    def due(self) -> int:
        """Records that were to go; where that is not known those that went."""
        return self.run.report.due if self.run else self.sent

    @property
    def sending(self) -> bool:
        """Whether it is under way here."""
        return self.run is not None and self.run.state is RunState.RUNNING

    @property
    def unended(self) -> bool:
        """Whether it was begun elsewhere, or before this console was, and nobody wrote its end."""
        return self.run is None and self.result == Result.BEGUN

    @property
    def settled(self) -> int:
        """Records that came out, one way or the other."""
        return self.outcomes.total() - self.outcomes[Status.REPLAYING]

    @property
    def finished(self) -> bool:
        """Nothing of it is to come."""
        return not (self.sending or self.unended or self.trouble or self.outcomes[Status.REPLAYING])

    @property
    def verdict(self) -> Verdict | None:
        """Of its canary."""
        return self.run.report.verdict if self.run else None

    @property
    def waits_for_first(self) -> bool:
        """Whether its canary went, and it is not known yet what became of it."""
        report = self.run.report if self.run else None
        return self.sending and report is not None and report.verdict is None and 0 < report.sent < report.due

    @property
    def headline(self) -> str:
        """The state in a few words."""
        if self.run is not None and self.run.state is RunState.FAILED:
            return "Failed"
        if self.verdict is Verdict.STOP:
            return "Stopped by its first records"
        if self.verdict is Verdict.LATE:
            return "Stopped: its first records did not come out"
        if self.run is not None and self.run.report.interrupted and not self.sending:
            return "Stopped"
        if self.sending:
            return "Waiting for the first records" if self.waits_for_first else "Sending"
        if self.unended:
            return "Not ended"
        return "Finished" if self.finished else "Sent, waiting for the workers"


async def replay(visit: Visit) -> Response:
    """One replay, live."""
    standing = await _standing(visit)
    if standing is None:
        raise UsageError("there is no such replay: see the list of replays")
    return visit.page("replay.html", standing=standing)


async def events(visit: Visit) -> Response:
    """The page's live part, again whenever it is looked at, until nothing is to come or the sign-in ends."""
    standing = await _standing(visit)
    if standing is None:
        raise UsageError("there is no such replay: see the list of replays")
    return StreamingResponse(_told(visit), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _told(visit: Visit) -> AsyncIterator[str]:
    before = ""
    while visit.lasts():
        try:
            standing = await _standing(visit)
        except PipelineError:
            # The page keeps what it shows: what is away now may be back at the next look.
            yield ": nothing can be looked at\n\n"
            await asyncio.sleep(_LOOK_S)
            continue
        if standing is None:
            return
        part = visit.part("replay_part.html", standing=standing)
        # A comment keeps proxies from ending a stream in which nothing happens.
        yield _event("progress", part) if part != before else ": nothing new\n\n"
        before = part
        if standing.finished:
            yield _event("done", "")
            return
        await asyncio.sleep(_LOOK_S)


def _event(name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n"


async def _standing(visit: Visit) -> Standing | None:
    replay_id = visit.request.path_params["replay_id"]
    run = visit.office.runs.run(replay_id)

    def asked(desk: Desk) -> tuple[Counter[Status], Sequence[Operation]]:
        return desk.outcomes(replay_id), desk.replays(replay_id)

    try:
        outcomes, done = await visit.office.desk.ask(asked)
    except PipelineError as error:
        if run is None:
            raise
        return Standing(replay_id, run, run.report.outcomes, run.by, run.why, "", str(error))
    if run is None and not outcomes and not done:
        return None
    first, last = (done[0], done[-1]) if done else (None, None)
    by, why = (run.by, run.why) if run else (first.by, first.why) if first else ("", "")
    return Standing(replay_id, run, outcomes, by, why, last.result if last else "")


@dataclass(frozen=True, slots=True)
class Past:
    """A replay in the list. `ended` is None where its end was never written: it was killed, or goes on."""

    begun: Operation
    ended: Operation | None
    outcomes: Counter[Status]


async def replays(visit: Visit) -> Response:
    """All replays that the audit still has, the newest first."""

    def listed(desk: Desk) -> Sequence[Past]:
        done = desk.replays(limit=_MOST_REPLAYS)
        ends = {one.replay_id: one for one in done if one.result != Result.BEGUN}
        return [
            Past(one, ends.get(one.replay_id), desk.outcomes(one.replay_id))
            for one in reversed(done)
            if one.result == Result.BEGUN
        ][:50]

    past = await visit.office.desk.ask(listed)
    open_letters = await visit.office.desk.ask(lambda desk: desk.stats(Filter(statuses=[Status.OPEN])).total)
    return visit.page("replays.html", past=past, open_letters=open_letters)


def _prompts(catalogue: Catalogue, names: Sequence[str]) -> list[str]:
    """Versions that all of these enrichments have."""
    return _shared(
        {path.stem for path in (catalogue.enrichment(name).folder / "prompts").glob("*.md")} for name in names
    )


def _tiers(catalogue: Catalogue, names: Sequence[str]) -> list[str]:
    return _shared({tier.name for tier in catalogue.enrichment(name).spec.tiers} for name in names)


def _shared(found: Iterable[set[str]]) -> list[str]:
    each = list(found)
    return sorted(set.intersection(*each)) if each else []
