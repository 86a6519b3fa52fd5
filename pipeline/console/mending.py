"""What is done with dead letters besides sending them: opened, mended, closed; and workers told to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from starlette.responses import Response

from pipeline import contract
from pipeline.console import fields, story
from pipeline.console.choosing import Choice
from pipeline.console.visit import Visit
from pipeline.deadletters.actor import Role
from pipeline.deadletters.audit import Action
from pipeline.deadletters.desk import Desk, Revealed, Story
from pipeline.deadletters.filter import Filter, Status
from pipeline.errors import NotTakenError, UsageError

_PREFIX = "field."
"""Of the entries of a record, which may be called like the form's own."""


async def reveal(visit: Visit) -> Response:
    """The story with the original and the diffs of edits, in clear."""
    why = visit.form.text("why")

    def revealed(desk: Desk) -> tuple[Story, Revealed]:
        desk.require(visit.actor, Action.REVEAL, Role.PRIVACY, why)
        found = desk.story(visit.form.text("id"))
        return found, desk.reveal(visit.actor, found, visit.form.why())

    found, opened = await visit.office.desk.do(revealed)
    return visit.page("dead_letter.html", told=story.told(found), revealed=opened, notice="")


async def edit(visit: Visit) -> Response:
    """The value as a form; posted with `save`, it is kept when its enrichment takes it."""
    named, why, saved = visit.form.text("id"), visit.form.text("why"), visit.form.checked("save")

    def opened(desk: Desk) -> tuple[Story, str]:
        desk.require(visit.actor, Action.EDIT, Role.OPERATOR)
        found = desk.story(named)
        return found, desk.open_value(visit.actor, found).text

    if not saved:
        found, text = await visit.office.desk.do(opened)
        schema = _schema(visit, found)
        return _form(visit, found, fields.entries(schema, text, {}), raw=text)

    def mended(desk: Desk) -> tuple[Story, Sequence[str], NotTakenError | None]:
        desk.require(visit.actor, Action.EDIT, Role.OPERATOR, why)
        desk.require(visit.actor, Action.EDIT, Role.PRIVACY, why)
        found = desk.story(named)
        try:
            if found.entry.status is not Status.OPEN:
                raise UsageError(f"{named} is not open any more: nothing was changed")
            text = fields.value(_schema(visit, found), _written(visit))
            return found, desk.mend(visit.actor, found, text, visit.form.why()).fields, None
        except NotTakenError as error:
            return found, (), error

    found, changed, refused = await visit.office.desk.do(mended)
    if refused is not None:
        schema = _schema(visit, found)
        rows = fields.rewritten(schema, _written(visit), refused.fields)
        problems = fields.elsewhere(schema, refused.fields) if refused.fields else [str(refused)]
        return _form(visit, found, rows, problems=problems, why=why, status=422)
    return visit.to(f"/dead-letters/one?{Choice({'id': named}).query(notice='mended' if changed else 'unchanged')}")


def _form(
    visit: Visit,
    found: Story,
    rows: Sequence[fields.Entry],
    *,
    raw: str = "",
    problems: Sequence[str] = (),
    why: str = "",
    status: int = 200,
) -> Response:
    empty = not any(row.written for row in rows)
    return visit.page(
        "edit.html",
        status,
        entry=found.entry,
        rows=rows,
        raw=raw if empty else "",
        problems=problems,
        why=why,
        refused=status != 200,
        prefix=_PREFIX,
    )


def _schema(visit: Visit, found: Story) -> contract.Schema:
    return visit.office.catalogue.enrichment(found.entry.enrichment).input_schema.schema


def _written(visit: Visit) -> Mapping[str, str]:
    return {
        name.removeprefix(_PREFIX): visit.form.whole(name) for name, _ in visit.form.pairs if name.startswith(_PREFIX)
    }


async def closing(visit: Visit) -> Response:
    """What would be closed, and the question why."""
    choice = _chosen(visit)
    now = datetime.now(UTC).isoformat()

    def counted(desk: Desk) -> tuple[Mapping[str, int], str]:
        desk.require(visit.actor, Action.RESOLVE, Role.OPERATOR)
        wanted = choice.filter(desk)
        return desk.causes(_open(wanted)), choice.written.get("until", now)

    causes, until = await visit.office.desk.do(counted)
    # What dies after this page was made is not closed by it.
    return visit.page("close.html", choice=choice, causes=causes, total=sum(causes.values()), until=until)


async def close(visit: Visit) -> Response:
    """Closes them."""
    choice, why = _chosen(visit), visit.form.text("why")

    def closed(desk: Desk) -> int:
        desk.require(visit.actor, Action.RESOLVE, Role.OPERATOR, why)
        return len(desk.resolve(visit.actor, _open(choice.filter(desk)), visit.form.why()))

    number = await visit.office.desk.do(closed)
    return visit.to(f"/dead-letters?closed={number}")


async def resume(visit: Visit) -> Response:
    """Tells the workers of an enrichment that their guard paused to go on."""
    name, why = visit.request.path_params["name"], visit.form.text("why")

    def resumed(desk: Desk) -> None:
        desk.require(visit.actor, Action.RESUME, Role.OPERATOR, why)
        desk.resume(visit.actor, name, visit.form.why())

    await visit.office.desk.do(resumed)
    visit.office.overviews.forget()
    return visit.to(f"/?{Choice({}).query(resumed=name)}")


def _chosen(visit: Visit) -> Choice:
    choice = Choice.of(visit.form)
    if not choice.narrowed:
        raise UsageError("choose which: by cause, tenant, fingerprint or time. All at once are never closed")
    return choice


def _open(wanted: Filter) -> Filter:
    return replace(wanted, statuses=(Status.OPEN,))
