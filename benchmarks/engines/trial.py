"""One engine, one set of tickets: published, worked on, watched until all is visible, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.engines import ideal
from benchmarks.engines.crew import Crew, crew, idle_s
from benchmarks.engines.errors import LeftOutError
from benchmarks.engines.peers import Peer, Progress
from benchmarks.engines.stage import Stage
from benchmarks.engines.tickets import Ticket, publish
from benchmarks.engines.watch import Verdict, Watcher

_LOOK_S = 0.2
_QUIET_S = 5.0
"""So long without an output and without a call in flight: worth a look whether anything more will come."""
_ENDS = 5
_STUCK_S = 150.0
"""So long without either: nothing will. Groups wait 45 s by default for a killed member, and it may be killed again."""


@dataclass(frozen=True)
class Plan:
    """What a trial is made of."""

    tickets: Sequence[Ticket]
    partitions: int
    concurrency: int
    workers: int = 1
    requests_per_minute: int = 0
    limit_s: float = 120.0
    """When not all is visible by then, the trial ends."""


@dataclass
class Findings:
    """What was seen."""

    tickets: int
    visible: int
    seconds: float
    """From the start of the workers to the last output."""
    rate: float
    """Calls answered a second in the middle of the run, of those whose outputs are visible."""
    added_ms: tuple[float, float]
    """From the provider's answer to the visible output: p50 and p99."""
    cpu_s_per_1000: float
    peak_mb: float
    machine_idle: float
    """Share of the machine's CPU that nobody used in the middle of the run."""
    verdict: Verdict
    not_in_time: int
    """Tickets that were still to come when the trial's time was over."""
    provider: dict[str, float]
    kills: int = 0
    ended: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at a trial while it runs."""

    at_s: float
    visible: int
    cpu_s: float
    idle_s: float
    all_s: float


class Trial:
    """A trial under way, as scenarios see it."""

    def __init__(
        self, stage: Stage, workers: Crew, watcher: Watcher, plan: Plan, tell: Progress, name: str, source: str
    ) -> None:
        self.stage, self.workers, self.plan = stage, workers, plan
        self.samples: list[Sample] = []
        self.over = False
        """Whether the group has committed all of its input though not all came out: what is missing then is lost."""
        self.began = time.monotonic()
        self._watcher, self._tell, self._name, self._source = watcher, tell, name, source
        self._changed = self.began

    @property
    def now_s(self) -> float:
        """Seconds since the workers were started."""
        return time.monotonic() - self.began

    @property
    def visible(self) -> int:
        """Tickets that came out."""
        return self.samples[-1].visible if self.samples else 0

    def look(self) -> bool:
        """Waits a moment; False when all is visible, or nothing more will come, or the time is over.

        Raises LeftOutError when workers end again and again and nothing has come out.
        """
        visible = self._watcher.wait(len(self.plan.tickets), _LOOK_S)
        now = time.monotonic()
        if visible != self.visible:
            self._changed = now
        self.samples.append(Sample(now - self.began, visible, self.workers.look(), *idle_s()))
        self._tell(f"{self._name}: {visible:,} of {len(self.plan.tickets):,} tickets, {now - self.began:.0f} s")
        if visible >= len(self.plan.tickets):
            return False
        if not visible and len(self.workers.ended) > _ENDS:
            raise LeftOutError(f"its workers do not stay: {self.workers.ended[-1]}")
        quiet_s = now - self._changed
        if quiet_s > _QUIET_S and not self.stage.provider()["in_flight"]:
            self.over = self.stage.consumed(self._source, self.plan.partitions)
        return not self.over and quiet_s < _STUCK_S and now - self.began < self.plan.limit_s


def run(
    stage: Stage,
    peer: Peer,
    command: Sequence[str],
    plan: Plan,
    tell: Progress,
    play: Callable[[Trial], None] | None = None,
) -> Findings:
    """Runs it; `play` is what else happens meanwhile, and returns when the trial is over."""
    source, target, graveyard = stage.topics(plan.partitions)
    publish(stage.bootstrap, source, plan.tickets)
    stage.provider({"reset": True, "out": False, "requests_per_minute": plan.requests_per_minute})
    count = plan.workers * peer.processes(plan.partitions)
    task = {
        "bootstrap": stage.bootstrap,
        "source": source,
        "target": target,
        "graveyard": graveyard,
        "group": source,
        "url": stage.url,
        "concurrency": plan.concurrency,
        "partitions": plan.partitions,
        "mode": peer.mode,
        "requests_per_minute": plan.requests_per_minute,
        "redis": stage.redis if plan.workers > 1 else "",
    }
    tasks = [{**task, "slot": str(number)} for number in range(count)]
    logs = stage.out / "logs" / f"{peer.name}-{source}"
    with (
        Watcher(stage.bootstrap, target, graveyard, plan.partitions) as watcher,
        crew(command, tasks, logs) as workers,
    ):
        trial = Trial(stage, workers, watcher, plan, tell, f"{peer.name}, {plan.partitions} partitions", source)
        if play is None:
            while trial.look():
                pass
        else:
            play(trial)
        provider = stage.provider()
    return _findings(plan, trial, watcher, workers, provider)


def _findings(plan: Plan, trial: Trial, watcher: Watcher, workers: Crew, provider: dict[str, float]) -> Findings:
    first = {one.number: one for one in reversed(watcher.outputs)}.values()
    added = sorted((one.visible_ns - one.answered_ns) / 1e6 for one in first)
    low, high = (_at(trial.samples, share * trial.visible) for share in (ideal.FIRST, ideal.LAST))
    worked = max(1, high.visible - low.visible)
    return Findings(
        tickets=len(plan.tickets),
        visible=trial.visible,
        seconds=_at(trial.samples, trial.visible).at_s,
        rate=ideal.rate([one.answered_ns / 1e9 for one in first]),
        added_ms=(quantile(added, 0.5), quantile(added, 0.99)),
        cpu_s_per_1000=(high.cpu_s - low.cpu_s) / worked * 1000,
        peak_mb=workers.peak_mb,
        machine_idle=(high.idle_s - low.idle_s) / max(1e-9, high.all_s - low.all_s),
        verdict=watcher.verdict(plan.tickets, over=trial.over),
        not_in_time=0 if trial.over else len(plan.tickets) - trial.visible,
        provider=provider,
        kills=workers.kills,
        ended=workers.ended,
    )


def _at(samples: Sequence[Sample], visible: float) -> Sample:
    """The first look at which so many tickets were visible."""
    return next(one for one in samples if one.visible >= visible)


def quantile(ordered: Sequence[float], share: float) -> float:
    """0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
