"""`pipeline run`: a worker."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import timedelta

import click
import uvloop

from pipeline import catalogue, settings
from pipeline.errors import PipelineError
from pipeline.telemetry.logs import configure


@click.command()
@click.argument("enrichments", nargs=-1)
@click.option("--until-idle", type=float, metavar="SECONDS", help="End when nothing was left to do for so long.")
@click.option("--json", "as_json", is_flag=True, help="Print the final counts as JSON on standard output.")
def command(enrichments: tuple[str, ...], until_idle: float | None, as_json: bool) -> None:
    """Run a worker for ENRICHMENTS (all of them when none is named).

    SIGINT or SIGTERM ends it gracefully: records in flight finish within the grace period, everything done is
    committed. Start it several times to share the work. It ends with 1 when one of them is paused then because too
    many of its records died.

    \b
    Example:
      pipeline run tickets --until-idle 5
    """
    effective = settings.load()
    configure(effective.telemetry.log_level, effective.telemetry.log_format)
    idle = None if until_idle is None else timedelta(seconds=until_idle)
    uvloop.run(_run(effective, enrichments, idle, as_json))


async def _run(
    effective: settings.Settings, enrichments: tuple[str, ...], idle: timedelta | None, as_json: bool
) -> None:
    # The vendors' SDKs take seconds to import: whoever asks for help does not wait for them.
    from pipeline.telemetry import metrics
    from pipeline.worker import Worker

    worker = await Worker.open(effective, catalogue.load(effective.catalogue), enrichments)
    if effective.telemetry.metrics_port:
        metrics.serve(effective.telemetry.metrics_port, worker.status, asyncio.get_running_loop())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    await worker.run(idle)
    tallies, paused = worker.status().tallies, worker.paused
    counts = {
        name: {
            "enriched": tally.enriched,
            "skipped": tally.skipped,
            "dead_letters": {cause: count for (_, cause), count in tally.dead.items()},
            "overtaken": tally.overtaken,
            "cost_usd": str(tally.cost_usd),
            "paused": paused.get(name),
        }
        for name, tally in tallies.items()
    }
    if as_json:
        click.echo(json.dumps(counts))
    else:
        for name in counts:
            click.echo(
                f"{name}: {tallies[name].enriched} enriched, {tallies[name].dead_letters} dead letters, "
                f"{tallies[name].skipped} skipped, {tallies[name].cost_usd} USD",
                err=True,
            )
    if paused:
        told = "; ".join(f"{name} is paused: {reason}" for name, reason in paused.items())
        raise PipelineError(f"{told}. Mend the cause (pipeline dead-letters groups), then run it again to go on")
