"""The page of one record's trace: input, prompt, answer, validation and output side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pipeline.console.visit import Visit
from pipeline.deadletters.actor import Role
from pipeline.deadletters.audit import Action
from pipeline.deadletters.desk import Desk
from pipeline.errors import UsageError
from pipeline.moments import moment

if TYPE_CHECKING:
    from pipeline.tracing import Trace

_TURNS: Final = threading.BoundedSemaphore(2)
"""Each reads topics for up to a minute: more at once would take the console's and Kafka's time from everybody."""
_TURN_S: Final = 20.0
"""How long a trace waits until another one has ended."""
_SINCE: Final = "1d"
"""How far back an event is looked for when nobody says."""


async def trace(visit: Visit) -> Response:
    """The record that was named, redacted; without a name the question which."""
    named, since = visit.form.text("named"), visit.form.text("since") or _SINCE
    if not named:
        return _page(visit, None, named, since, clear=False)
    try:
        begin = moment(since, datetime.now(UTC))
        found = await visit.office.desk.ask(lambda desk: _in_turn(lambda: desk.trace(named, begin)))
    except UsageError as error:
        return _page(visit, None, named, since, clear=False, problem=str(error))
    return _page(visit, found, named, since, clear=False)


async def reveal(visit: Visit) -> Response:
    """The same in clear, for who may see personal data."""
    named, why = visit.form.text("named"), visit.form.text("why")
    begin = moment(visit.form.text("since") or _SINCE, datetime.now(UTC))

    def revealed(desk: Desk) -> Trace:
        desk.require(visit.actor, Action.REVEAL, Role.PRIVACY, why)
        why_seen = visit.form.why()
        return _in_turn(lambda: desk.reveal_trace(visit.actor, named, begin, why_seen))

    found = await visit.office.desk.do(revealed)
    return _page(visit, found, named, visit.form.text("since"), clear=True)


def _in_turn(look: Callable[[], Trace]) -> Trace:
    """Raises UsageError when others took too long."""
    if not _TURNS.acquire(timeout=_TURN_S):
        raise UsageError("two records are being traced for others: try again in a minute")
    try:
        return look()
    finally:
        _TURNS.release()


def _page(visit: Visit, found: Trace | None, named: str, since: str, *, clear: bool, problem: str = "") -> Response:
    status = 400 if problem else 200
    return visit.page("trace.html", status, found=found, named=named, since=since, clear=clear, problem=problem)
