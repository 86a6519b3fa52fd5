"""A frame of the live view says what a person asks: what came, what came out, who is out, what it costs."""

from __future__ import annotations

from decimal import Decimal

from pipeline.demo.view import Frame, Lines, drawn, line
from pipeline.errors import Cause, Stage
from pipeline.llm import BreakerState, GatewayStatus, RouteStatus
from pipeline.stream.status import EngineState, EngineStatus
from pipeline.telemetry.outcomes import Tally
from pipeline.telemetry.status import WorkerStatus
from rich.console import Console

ENGINE = EngineStatus(
    state=EngineState.RUNNING,
    in_flight=7,
    waiting=5,
    uncommitted=0,
    partitions=12,
    resolving=0,
    lag=12,
    oldest_waiting_s=0.4,
    records_committed=80,
    outputs_committed=240,
    transactions=30,
    aborted=0,
    rebuilds=0,
    repeated=0,
    idle_since=None,
    paused_reason=None,
)
ROUTE = RouteStatus(
    provider="openai",
    model="gpt-5-mini",
    breaker=BreakerState.OPEN,
    breaker_opened=1,
    quota_used=0.42,
    calls=120,
    throttled=3,
    failed=9,
    input_tokens=100_000,
    output_tokens=20_000,
    cost_usd=Decimal("0.0612"),
    running=4,
    waiting=2,
)


def _frame(seconds: float = 12.0, log: tuple[str, ...] = ()) -> Frame:
    tally = Tally(enriched=80)
    tally.dead[Stage.DECODE, Cause.EMPTY_VALUE] = 2
    status = WorkerStatus({"tickets": ENGINE}, {"tickets": tally}, GatewayStatus((ROUTE,)))
    return Frame(seconds, "simulated outage", True, {"tickets": 94}, {"tickets": 600}, {"tickets": 8.0}, status, log)


def test_a_frame_fits_a_terminal_of_80_columns() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(drawn(_frame(log=("openai gpt-5-mini: breaker open, was closed",))))
    text = captured.get()
    assert all(len(row.rstrip()) <= 80 for row in text.splitlines())
    for shown in ("simulated outage", "94", "600", "80", "openai", "open", "42%", "120", "$0.0612", "was closed"):
        assert shown in text


def test_the_line_says_the_same_in_short() -> None:
    assert line(_frame()) == ("  12 s | tickets 94 in, 80 enriched, 12 waiting, 2 dead | openai open 120 calls $0.0612")


def test_lines_come_every_few_seconds_and_log_lines_once() -> None:
    said: list[str] = []
    lines = Lines(5.0, said.append)
    for tenth in range(120):
        lines.show(_frame(tenth / 10, ("openai: breaker open",) if tenth >= 30 else ()))
    assert said.count("openai: breaker open") == said.count("simulated outage") == 1
    assert [text.split(" s")[0].strip() for text in said if "tickets" in text] == ["0", "5", "10"]
