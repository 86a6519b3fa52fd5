"""`pipeline demo`: everything at once, on this machine, in two minutes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from pipeline import catalogue, settings
from pipeline.demo import report, view
from pipeline.demo.session import Result, Session
from pipeline.devstack.stack import Stack
from pipeline.devstack.state import State
from pipeline.devstack.tether import Tether
from pipeline.errors import UsageError
from pipeline.provisioning import Verdict, compare_schemas, create_topics, plan_topics, register_schemas
from pipeline.serde import Registry
from pipeline.settings import Origin
from pipeline.stream.admin import Admin

_LINE_EVERY_S = 5.0


@click.command()
@click.option("--tickets", default=600, show_default=True, type=click.IntRange(1, 20_000), help="Tickets to publish.")
@click.option("--claims", default=200, show_default=True, type=click.IntRange(1, 20_000), help="Claims to publish.")
@click.option(
    "--report", "report_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there as JSON."
)
@click.option("--keep", is_flag=True, help="Leave the embedded stack running for the commands shown at the end.")
@click.option("--paid", is_flag=True, help="Go on when a provider is a real one: a call costs what it costs there.")
def command(tickets: int, claims: int, report_file: Path | None, keep: bool, paid: bool) -> None:
    """Publish tickets and claims into a real Kafka on this machine, enrich them, and account for every one.

    One in a hundred is malformed, the simulated providers answer 429 and make mistakes, and the first of them is out
    for 20 seconds. Exit code 1 when the balance, read back from the topics, does not close.
    """
    _check_file(report_file)
    console = Console(highlight=False)
    with _running(console, keep=keep) as stays:
        result = _run(console, {"tickets": tickets, "claims": claims}, paid=paid)
    if result is None:
        raise click.Abort
    _tell(console, result, stays=stays)
    if report_file is not None:
        figures = {name: report.as_json(one, result.breaker_opened) for name, one in result.balances.items()}
        try:
            report_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--report: {report_file} cannot be written ({error.strerror})") from None
    if not all(one.closes for one in result.balances.values()):
        raise click.exceptions.Exit(1)


@contextmanager
def _running(console: Console, *, keep: bool) -> Iterator[bool]:
    """The embedded stack, and whether it stays: one that this starts ends with it, unless it is to be kept."""
    if settings.origins()["kafka.bootstrap_servers"] in (Origin.ENVIRONMENT, Origin.FILE):
        raise UsageError(
            "the demo publishes invented records and uses the embedded Kafka only: unset kafka.bootstrap_servers"
        )
    folder = settings.places.embedded_state_file().parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = State.read(folder)
    found = known is not None and bool(known.alive(folder))
    tether = None if keep or found else Tether(folder, wipe=False)
    try:
        begin = time.monotonic()
        with console.status("starting the embedded stack") as spinner:

            def tell(line: str) -> None:
                spinner.update(line)
                if not console.is_terminal:
                    console.print(line)

            Stack.up(folder, progress=tell)
        settings.load.cache_clear()
        how = "found running" if found else f"up in {time.monotonic() - begin:.0f} s"
        console.print(f"Kafka, schema registry and provider simulator: {how}")
        yield tether is None
    finally:
        if tether is not None:
            with console.status("stopping the embedded stack"):
                tether.cut()


def _run(console: Console, counts: dict[str, int], *, paid: bool) -> Result | None:
    effective = settings.load()
    known = catalogue.load(effective.catalogue)
    real = [name for name, provider in effective.providers.items() if not provider.simulated]
    asked = {tier.provider for name in counts for tier in known.enrichment(name).spec.tiers}
    if (named := sorted(asked & set(real))) and not paid:
        raise UsageError(f"{' and '.join(named)} would be asked for real: unset what you set, or say --paid")
    with console.status("topics and schemas"):
        admin = Admin(effective.kafka.client())
        create_topics(plan_topics(known, admin), admin)
        registry = Registry(effective.registry)
        if any(item.verdict is Verdict.BREAKS for item in compare_schemas(known, registry)):
            wipe = f"{_program()} dev down --wipe"
            raise UsageError(f"the embedded registry holds schemas of another version: forget all it holds by {wipe}")
        register_schemas(known, registry)
    with _showing(console) as show:
        return uvloop.run(Session(effective, known, counts, show).run())


@contextmanager
def _showing(console: Console) -> Iterator[view.Show]:
    """A live view on a terminal, a line every few seconds elsewhere."""
    if console.is_terminal:
        with Live(Spinner("dots", "making records, opening the worker"), console=console) as live:
            yield lambda frame: live.update(view.drawn(frame), refresh=True)
        return
    lines = view.Lines(_LINE_EVERY_S, click.echo)
    yield lines.show


def _tell(console: Console, result: Result, *, stays: bool) -> None:
    for name, found in result.examples.items():
        console.print(report.example(name, found))
        console.print()
    console.print(report.table(result.balances, result.breaker_opened))
    console.print()
    console.print(report.verdict(result.balances))
    for remark in report.remarks(result):
        console.print(remark, style="dim")
    console.print()
    console.print(report.next_commands(_next(stays=stays)))


def _next(*, stays: bool) -> Sequence[tuple[str, str]]:
    program = _program()
    start = [] if stays else [(f"{program} dev up", "start the stack again; topics and schemas are still there")]
    return [
        *start,
        (f"{program} consume support.tickets.enriched.v1 --limit 3", "what the routing system reads"),
        (f"{program} dead-letters list", "what could not be enriched, and why"),
        (f"{program} dead-letters replay --cause refused --dry-run", "what would be sent again"),
        (f"{program} dev down", "stop it"),
    ]


def _program() -> str:
    """How this program is called here."""
    called = Path(sys.argv[0])
    on_path = shutil.which("pipeline")
    if on_path is not None and Path(on_path).resolve() == called.resolve():
        return "pipeline"
    with_prefix = os.path.relpath(called)
    return with_prefix if len(with_prefix) < len(str(called)) else str(called)


def _check_file(path: Path | None) -> None:
    if path is not None and not path.resolve().parent.is_dir():
        raise UsageError(f"--report: {path.parent} is no folder")
