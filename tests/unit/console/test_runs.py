"""Replays from a page: what was seen is what is sent, once, by who saw it, one at a time; and how that is told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pipeline.catalogue import load
from pipeline.console import sending
from pipeline.console.forms import Form
from pipeline.console.office import Office
from pipeline.console.overview import Overviews
from pipeline.console.pages import Pages
from pipeline.console.runs import Run, Runs, RunState, Wish
from pipeline.console.sending import Standing
from pipeline.console.shared import SharedDesk
from pipeline.console.visit import Visit
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.canary import CanaryPolicy, Verdict
from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Operation
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.overrides import NOTHING
from pipeline.deadletters.replay import Plan, Report
from pipeline.errors import UnavailableError, UsageError
from pipeline.settings import CatalogueSettings, Settings
from starlette.requests import Request
from tests.unit.console.offline import SECRET, VIC, Offline, OfflineDesk
from tests.unit.deadletters.letters import DEAD, NOW, entry

KIM, PAT = (Actor(name, frozenset(Role)) for name in ("kim", "pat"))
PLAN = Plan((entry(),), (), 0, 0, Decimal(0), 0, 0.0)
WISH = Wish("of a test", NOTHING, CanaryPolicy(0, 0, 0))


class SendingDesk(OfflineDesk):
    """Sends when it is let go; `failure` is raised instead."""

    def __init__(self, folder: Path, failure: Exception | None = None) -> None:
        super().__init__(Settings(), folder)
        self.go, self.failure = threading.Event(), failure
        self.stopped: list[bool] = []

    def replay(self, actor: Actor, plan: Plan, why: str, **given: Any) -> Report:
        given["told"](Report(given["replay_id"], len(plan.due), sent=1))
        self.go.wait(30)
        self.stopped.append(given["stop"].is_set())
        if self.failure is not None:
            raise self.failure
        return Report(given["replay_id"], len(plan.due), sent=len(plan.due))


def _ended(run: Run) -> Run:
    assert run.thread is not None
    run.thread.join(30)
    return run


def test_a_preview_is_sent_once_and_only_by_who_saw_it(tmp_path: Path) -> None:
    desk, runs = SendingDesk(tmp_path), Runs()
    desk.go.set()
    seen = runs.keep(KIM, PLAN, False, "")
    with pytest.raises(UsageError, match="too old"):
        runs.preview(PAT, seen.id)
    run = _ended(runs.begin(desk, KIM, runs.preview(KIM, seen.id), WISH))
    assert (run.state, run.report.sent) == (RunState.ENDED, 1)
    with pytest.raises(UsageError, match="sent already"):
        runs.begin(desk, KIM, seen, WISH)


def test_a_second_replay_waits_for_the_first_one(tmp_path: Path) -> None:
    desk, runs = SendingDesk(tmp_path), Runs()
    first = runs.begin(desk, KIM, runs.keep(KIM, PLAN, False, ""), WISH)
    with pytest.raises(UsageError, match="a replay of kim is being sent"):
        runs.begin(desk, PAT, runs.keep(PAT, PLAN, False, ""), WISH)
    desk.go.set()
    _ended(first)
    _ended(runs.begin(desk, PAT, runs.keep(PAT, PLAN, False, ""), WISH))


def test_the_consoles_end_stops_what_is_being_sent(tmp_path: Path) -> None:
    desk, runs = SendingDesk(tmp_path), Runs()
    run = runs.begin(desk, KIM, runs.keep(KIM, PLAN, False, ""), WISH)
    threading.Timer(0.2, desk.go.set).start()
    runs.close()
    _ended(run)
    assert desk.stopped == [True]


@pytest.mark.parametrize(
    ("failure", "said"),
    [(UnavailableError("Kafka is away"), "Kafka is away"), (KeyError(SECRET), "unexpected KeyError")],
)
def test_a_failure_is_told_without_what_it_quotes(tmp_path: Path, failure: Exception, said: str) -> None:
    desk, runs = SendingDesk(tmp_path, failure), Runs()
    desk.go.set()
    run = _ended(runs.begin(desk, KIM, runs.keep(KIM, PLAN, False, ""), WISH))
    assert run.state is RunState.FAILED
    assert said in run.trouble
    assert SECRET not in run.trouble


def test_a_replay_is_found_behind_whatever_was_done_since(tmp_path: Path) -> None:
    offline = Offline.of(tmp_path)
    begun = Operation(NOW, "kim", "replay", "begun", "of a test", replay_id="r-old")
    since = [Operation(NOW, "kim", "reveal", "done", "curious", event_id="E-1")] * 1200
    offline.desk._index.take(Batch(operations=[begun, *since], ends={(DEAD, 2): 101}, begins={(DEAD, 2): 100}))
    offline.sign_in(VIC)
    assert "r-old" in offline.browser.get("/replays").text
    page = offline.browser.get("/replays/r-old")
    assert page.status_code == 200
    assert "Not ended" in page.text


async def test_a_live_page_outlasts_an_outage_and_ends_with_the_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_LOOK_S", 0)
    desk = OfflineDesk(Settings(), tmp_path)
    begun = Operation(NOW, "kim", "replay", "begun", "of a test", replay_id="r-1")
    desk._index.take(Batch(operations=[begun], ends={(DEAD, 2): 101}, begins={(DEAD, 2): 100}))
    shared = SharedDesk(lambda: desk, lambda: None)
    catalogue = load(CatalogueSettings())
    office = Office(Settings(), catalogue, shared, Runs(), Overviews(Settings(), catalogue, shared.fresh), Pages())
    request = Request(
        {"type": "http", "headers": [], "path": "/replays/r-1/events", "path_params": {"replay_id": "r-1"}}
    )
    signed_in = [True]
    told = sending._told(Visit(request, KIM, Form(), "", True, office, lambda: signed_in[0]))
    assert (await anext(told)).startswith("event: progress")
    desk.trouble, shared._read_at = UnavailableError("Kafka is away"), 0.0
    assert (await anext(told)).startswith(": nothing can be looked at")
    desk.trouble, shared._away = None, None
    assert (await anext(told)).startswith(": nothing new")
    signed_in[0] = False
    assert [word async for word in told] == []


def test_previews_are_kept_one_for_a_person_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    first, pats = runs.keep(KIM, PLAN, False, ""), runs.keep(PAT, PLAN, False, "")
    second = runs.keep(KIM, PLAN, False, "")
    with pytest.raises(UsageError, match="too old"):
        runs.preview(KIM, first.id)
    assert {one.id for one in runs._previews.values()} == {pats.id, second.id}
    monkeypatch.setattr(time, "monotonic", lambda: second.made_at + 1801)
    with pytest.raises(UsageError, match="too old"):
        runs.preview(KIM, second.id)
    assert runs._previews == {}


def _standing(state: RunState | None, result: str = "", **outcomes: int) -> Standing:
    run = None if state is None else Run("r", "kim", "", Report("r", 10, sent=4), state)
    return Standing("r", run, Counter({Status(name): number for name, number in outcomes.items()}), "kim", "", result)


def test_a_replays_state_is_told_in_words() -> None:
    assert _standing(RunState.RUNNING, replaying=4).headline == "Waiting for the first records"
    assert _standing(RunState.ENDED, replaying=4).headline == "Sent, waiting for the workers"
    assert _standing(RunState.ENDED, replayed=4).headline == "Finished"
    assert _standing(RunState.FAILED).headline == "Failed"
    assert _standing(None, "begun", replayed=4).headline == "Not ended"
    assert not _standing(None, "begun", replayed=4).finished
    assert _standing(None, "done", replayed=4).headline == "Finished"
    for verdict, said in ((Verdict.STOP, "Stopped by its first records"), (Verdict.LATE, "did not come out")):
        standing = _standing(RunState.ENDED, dead_again=4)
        assert standing.run is not None
        standing.run.report.verdict = verdict
        assert said in standing.headline
