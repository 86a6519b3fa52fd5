"""Pages that only show: overview, dead letters, the story of one, the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.responses import HTMLResponse, Response

from pipeline.console import story
from pipeline.console.choosing import ALL, Choice
from pipeline.console.pages import identifier
from pipeline.console.threads import on_thread
from pipeline.console.visit import Visit
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Entry, Group, Operation
from pipeline.errors import Cause, Stage, UsageError

_MOST_ROWS: Final = 100
_MOST_GROUPS: Final = 50
_MOST_OPERATIONS: Final = 300


async def overview(visit: Visit) -> Response:
    """Every enrichment at a glance."""
    found = await on_thread(visit.office.overviews.look)
    resumed = visit.form.text("resumed")
    known = resumed if resumed in visit.office.catalogue.enrichments else ""
    return visit.page("overview.html", overview=found, resumed=known)


async def overview_part(visit: Visit) -> Response:
    """The same without the page around it, as it is looked at again and again."""
    found = await on_thread(visit.office.overviews.look)
    return HTMLResponse(visit.part("overview_part.html", overview=found))


@dataclass(frozen=True, slots=True)
class Listing:
    """The dead letters that were chosen: in groups, and the newest one by one."""

    groups: Sequence[Group]
    entries: Sequence[Entry]
    total: int
    tenants: Sequence[str]
    """All there are, for the form."""
    open_everywhere: int
    waiting_everywhere: int


async def dead_letters(visit: Visit) -> Response:
    """Groups and rows of what the form chose."""
    choice = Choice.of(visit.form)

    def listed(desk: Desk) -> tuple[Listing, str]:
        everything = desk.stats(Filter())
        tenants = sorted(name for name in everything.by_tenant if name and identifier(name) == name)
        everywhere = [everything.by_status.get(status, 0) for status in (Status.OPEN, Status.WAITING)]
        try:
            wanted = choice.filter(desk)
        except UsageError as error:
            return Listing((), (), 0, tenants, *everywhere), str(error)
        found = Listing(
            groups=desk.groups(wanted, datetime.now(UTC)),
            entries=list(reversed(desk.letters(wanted, _MOST_ROWS))),
            total=sum(desk.causes(wanted).values()),
            tenants=tenants,
            open_everywhere=everywhere[0],
            waiting_everywhere=everywhere[1],
        )
        return found, ""

    listing, problem = await visit.office.desk.ask(listed)
    topics = sorted({one.input.topic for one in visit.office.catalogue.enrichments.values()})
    closed = visit.form.text("closed")
    return visit.page(
        "dead_letters.html",
        400 if problem else 200,
        listing=listing,
        problem=problem,
        closed=int(closed) if closed.isdecimal() and len(closed) < 10 else None,
        most_groups=_MOST_GROUPS,
        choice=choice,
        topics=topics,
        causes=list(Cause),
        stages=list(Stage),
        statuses=[*(status for status in Status if status is not Status.OPEN), ALL],
    )


async def dead_letter(visit: Visit) -> Response:
    """The story of one, without what only a key opens."""
    found = await visit.office.desk.ask(lambda desk: desk.story(visit.form.text("id")))
    return visit.page("dead_letter.html", told=story.told(found), revealed=None, notice=visit.form.text("notice"))


async def audit(visit: Visit) -> Response:
    """What people did, the newest first."""
    operations: Sequence[Operation] = await visit.office.desk.ask(lambda desk: desk.operations(_MOST_OPERATIONS))
    return visit.page("audit.html", operations=list(reversed(operations)))
