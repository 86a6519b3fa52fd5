"""The live view: one frame from the worker's status. Draws, decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.llm import BreakerState, RouteStatus
from pipeline.telemetry.outcomes import Tally
from pipeline.telemetry.status import WorkerStatus

_BREAKERS = {BreakerState.CLOSED: "green", BreakerState.OPEN: "bold red", BreakerState.HALF_OPEN: "yellow"}


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment of the demo."""

    seconds: float
    happening: str
    """In words, what goes on at the providers."""
    alarming: bool
    published: Mapping[str, int]
    planned: Mapping[str, int]
    per_second: Mapping[str, float]
    status: WorkerStatus
    log: Sequence[str]


Show = Callable[[Frame], None]


class Lines:
    """Shows a frame as a line, every so many seconds; at once what begins or ends at the providers, and log lines."""

    def __init__(self, every_s: float, say: Callable[[str], None]) -> None:
        self._every_s, self._say = every_s, say
        self._due = 0.0
        self._said: tuple[str, ...] = ()
        self._alarming: bool | None = None

    def show(self, frame: Frame) -> None:
        """Takes every frame, says few."""
        new = [text for text in frame.log if text not in self._said]
        self._said = tuple(frame.log)
        for text in new:
            self._say(text)
        if frame.alarming is not self._alarming:
            self._alarming = frame.alarming
            self._say(frame.happening)
        if frame.seconds >= self._due:
            self._due = frame.seconds + self._every_s
            self._say(line(frame))


def drawn(frame: Frame) -> RenderableType:
    """The frame for a terminal."""
    head = Text.assemble(
        (f"{frame.seconds:5.0f} s  ", "bold"), (frame.happening, "bold red" if frame.alarming else "green")
    )
    log = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in frame.log]
    parts: list[RenderableType] = [head, Text(), _records(frame), Text(), _providers(frame.status.gateway.routes)]
    return Padding(Group(*parts, Text(), *log), (1, 1))


def line(frame: Frame) -> str:
    """The frame in one line, for where there is no terminal."""
    parts = [f"{frame.seconds:4.0f} s"]
    for name, count in frame.published.items():
        tally = frame.status.tallies.get(name, Tally())
        parts.append(
            f"{name} {count} in, {tally.enriched} enriched, "
            f"{_unfinished(frame, name)} waiting, {tally.dead_letters} dead"
        )
    for route in frame.status.gateway.routes:
        parts.append(f"{route.provider} {route.breaker} {route.calls} calls {_money(route)}")
    return " | ".join(parts)


def _records(frame: Frame) -> Table:
    table = _table("records", "in", "of", "enriched", "a second", "in process", "waiting", "dead", "engine")
    for name, count in frame.published.items():
        tally, engine = frame.status.tallies.get(name, Tally()), frame.status.engines[name]
        table.add_row(
            name,
            f"{count:,}",
            f"{frame.planned[name]:,}",
            f"{tally.enriched:,}",
            f"{frame.per_second.get(name, 0.0):.0f}",
            f"{engine.in_flight:,}",
            f"{engine.waiting:,}",
            Text(f"{tally.dead_letters:,}", style="red" if tally.dead_letters else ""),
            str(engine.state),
        )
    return table


def _providers(routes: Sequence[RouteStatus]) -> Table:
    table = _table("provider", "model", "breaker", "quota", "calls", "429", "failed", "wait", "tokens", "cost")
    for route in routes:
        table.add_row(
            route.provider,
            route.model,
            Text(str(route.breaker).replace("_", " "), style=_BREAKERS[route.breaker]),
            f"{route.quota_used:.0%}",
            f"{route.calls:,}",
            f"{route.throttled:,}",
            f"{route.failed:,}",
            f"{route.waiting:,}",
            f"{(route.input_tokens + route.output_tokens) / 1000:,.0f}k",
            _money(route),
        )
    if not routes:
        table.add_row("none asked yet", *[""] * 9, style="dim")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, min_width=9)
    for name in others:
        # Where a terminal is narrow, the model's name is what gives way.
        table.add_column(
            name,
            justify="left" if name in ("model", "breaker", "engine") else "right",
            no_wrap=name != "model",
            overflow="ellipsis",
        )
    return table


def _unfinished(frame: Frame, name: str) -> int:
    engine = frame.status.engines[name]
    return engine.in_flight + engine.waiting


def _money(route: RouteStatus) -> str:
    return f"${route.cost_usd:.4f}"
