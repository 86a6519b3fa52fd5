"""Replays: looked at before they are sent, then sent on a thread, one at a time, told of as they go."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pipeline.deadletters.actor import Actor
from pipeline.deadletters.canary import CanaryPolicy
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.overrides import Override
from pipeline.deadletters.replay import Plan, Report
from pipeline.errors import PipelineError, UsageError

_log = logging.getLogger(__name__)
_MOST: Final = 50
"""Runs that are kept; older ones are forgotten, what they did stands in the topics."""
_PREVIEW_S: Final = 1800.0
"""For so long a preview can be sent as it was seen."""
_END_S: Final = 10.0
"""How long the console's end waits for a replay to stop between two transactions."""


class RunState(StrEnum):
    """Of a replay."""

    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Preview:
    """What somebody was shown, and only they can send."""

    id: str
    by: str
    plan: Plan
    force: bool
    query: str
    made_at: float


@dataclass(slots=True)
class Run:
    """One replay that was begun here. `report` is its newest word, `trouble` why it failed."""

    id: str
    by: str
    why: str
    report: Report
    state: RunState = RunState.RUNNING
    trouble: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How a preview is to be sent."""

    why: str
    override: Override
    canary: CanaryPolicy


class Runs:
    """Those of this console. A replay of another console or command is waited for by nobody: Kafka lets one go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._previews: dict[str, Preview] = {}
        self._runs: dict[str, Run] = {}

    def keep(self, actor: Actor, plan: Plan, force: bool, query: str) -> Preview:
        """Keeps what somebody is shown, until they send it or look at another one: a plan may be large."""
        preview = Preview(secrets.token_urlsafe(16), actor.name, plan, force, query, time.monotonic())
        with self._lock:
            self._previews = {one.id: one for one in self._fresh() if one.by != actor.name}
            self._previews[preview.id] = preview
        return preview

    def preview(self, actor: Actor, preview_id: str) -> Preview:
        """Raises UsageError when it is not theirs, or too old to be what would happen now."""
        with self._lock:
            self._previews = {one.id: one for one in self._fresh()}
            found = self._previews.get(preview_id)
        if found is None or found.by != actor.name:
            raise UsageError("this preview is too old to be sent: look again what would be sent now")
        return found

    def begin(self, desk: Desk, actor: Actor, preview: Preview, wish: Wish) -> Run:
        """Starts sending. Raises UsageError while another replay runs here; a preview is sent once."""
        with self._lock:
            running = next((run for run in self._runs.values() if run.state is RunState.RUNNING), None)
            if running is not None:
                raise UsageError(f"a replay of {running.by} is being sent; wait for its end, or stop it")
            if self._previews.pop(preview.id, None) is None:
                raise UsageError("this preview was sent already: see its replay")
            replay_id = str(uuid.uuid4())
            run = Run(replay_id, actor.name, wish.why, Report(replay_id, len(preview.plan.due)))
            run.thread = threading.Thread(
                target=self._send, args=(desk, actor, preview, wish, run), name="replay", daemon=True
            )
            while len(self._runs) >= _MOST:
                del self._runs[next(iter(self._runs))]
            self._runs[run.id] = run
        run.thread.start()
        return run

    def run(self, replay_id: str) -> Run | None:
        """One that was begun here; None: elsewhere, or too long ago."""
        return self._runs.get(replay_id)

    def close(self) -> None:
        """Stops what runs between two transactions: it can be gone on with."""
        threads = [run.thread for run in self._runs.values() if run.state is RunState.RUNNING]
        for run in self._runs.values():
            run.stop.set()
        for thread in threads:
            if thread is not None:
                thread.join(_END_S)

    def _fresh(self) -> list[Preview]:
        now = time.monotonic()
        return [one for one in self._previews.values() if now - one.made_at <= _PREVIEW_S]

    def _send(self, desk: Desk, actor: Actor, preview: Preview, wish: Wish, run: Run) -> None:
        def told(report: Report) -> None:
            run.report = replace(report, outcomes=Counter(report.outcomes), refused=dict(report.refused))

        try:
            told(
                desk.replay(
                    actor,
                    preview.plan,
                    wish.why,
                    override=wish.override,
                    canary=wish.canary,
                    replay_id=run.id,
                    force=preview.force,
                    stop=run.stop,
                    told=told,
                )
            )
            run.state = RunState.ENDED
        except PipelineError as error:
            run.trouble, run.state = str(error), RunState.FAILED
        except Exception as error:  # noqa: BLE001  # a thread's end is to be seen on its page; the text may quote a record
            _log.error("a replay ended by an unexpected %s", type(error).__name__)
            run.trouble = f"an unexpected {type(error).__name__}: please report it. What was sent stays sent."
            run.state = RunState.FAILED
