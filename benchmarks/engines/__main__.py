"""Runs the comparison: see README.md."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.engines import report
from benchmarks.engines.crew import ROOT
from benchmarks.engines.errors import LeftOutError
from benchmarks.engines.peers import PEERS
from benchmarks.engines.progress import Progress
from benchmarks.engines.scenarios import AT_MOST, ONCE, SCENARIOS, Row, Setting
from benchmarks.engines.stage import Stage, stage
from pipeline.errors import UnavailableError, UsageError

QUICK = {"tickets": 5000, "latency": [200], "partitions": [4]}


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    if "--quick" in arguments:
        parser.set_defaults(**QUICK)
    told = parser.parse_args(arguments)
    told.out = told.out.resolve()
    progress = Progress(sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with stage(told.out, redis="quota" in told.scenario) as ready:
            measured = _compare(ready, told, progress)
    except (UnavailableError, UsageError) as error:
        progress.end()
        print(f"benchmarks.engines: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.end()
        print("benchmarks.engines: stopped; what was found is in the report", file=sys.stderr)
        return 1
    if not measured:
        print("benchmarks.engines: no peer could be run; why is in the report", file=sys.stderr)
    return 0 if measured else 1


def _compare(ready: Stage, told: argparse.Namespace, progress: Progress) -> int:
    """Runs everything that was asked for, and counts what could be measured; the report is written after each trial, so
    that a stop loses nothing."""
    chosen = [peer for peer in PEERS if peer.name in told.peers]
    began, rows, left_out = time.monotonic(), list[Row](), dict[str, str]()
    commands: dict[str, Sequence[str]] = {}
    measured = 0
    for peer in chosen:
        try:
            commands[peer.name] = peer.ready(ROOT / "out" / "environments", progress)
        except LeftOutError as error:
            left_out[peer.name] = str(error)
            progress.say(f"{peer.name}: left out: {error}")
    document = report.Document(datetime.now(UTC), vars(told), rows, left_out)
    if told.keep:
        report.take_up(document, told.out)
    for scenario, at in _settings(told):
        for peer in chosen:
            if peer.name in commands and peer.plays(scenario):
                try:
                    found = SCENARIOS[scenario](ready, peer, commands[peer.name], at, progress)
                except LeftOutError as error:
                    document.left_out[peer.name] = f"{scenario}: {error}"
                    progress.say(f"{peer.name}: left out: {error}")
                    continue
                about: Row = {"scenario": scenario, "peer": peer.name, "p50_ms": at.p50_ms, "partitions": at.partitions}
                document.add({**about, "concurrency": at.concurrency, **found})
                measured += 1
                document.seconds = time.monotonic() - began
                report.write(document, told.out)
                progress.say(report.line(rows[-1]))
    report.write(document, told.out)
    progress.say(f"written: {told.out / 'engines.json'}, {told.out / 'engines.md'}")
    return measured


def _settings(told: argparse.Namespace) -> Iterator[tuple[str, Setting]]:
    for scenario in told.scenario:
        concurrency = min(told.concurrency, AT_MOST.get(scenario, told.concurrency))
        latencies, partitions = told.latency, told.partitions
        if scenario in ONCE:
            latencies, partitions = latencies[:1], partitions[-1:]
        for p50_ms in latencies:
            for number in partitions:
                yield scenario, Setting(told.tickets, p50_ms, number, concurrency, told.outage)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines",
        description="Runs this project's engine and its peers on the same tickets, broker and provider.",
        epilog="example: python -m benchmarks.engines --quick --peers ours plain_loop --out out/engines",
    )
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", nargs="+", choices=names, default=names, metavar="PEER", help=", ".join(names))
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=["throughput"], help="one or more")
    parser.add_argument("--tickets", type=_positive, default=20_000, help="in each trial, at most (default: 20000)")
    parser.add_argument("--latency", nargs="+", type=_positive, default=[200, 800], help="p50 of the provider, ms")
    parser.add_argument("--partitions", nargs="+", type=_positive, default=[4, 12])
    parser.add_argument("--concurrency", type=_positive, default=128, help="calls in flight (default: 128)")
    parser.add_argument("--outage", type=_positive, default=60, help="seconds (default: 60)")
    parser.add_argument("--out", type=Path, default=Path("out/engines"), help="folder (default: out/engines)")
    parser.add_argument("--keep", action="store_true", help="keep what an earlier run in the folder has found")
    parser.add_argument("--quick", action="store_true", help=f"less of it: {QUICK}; what else is given counts")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
