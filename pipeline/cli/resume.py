"""`pipeline resume`: paused workers go on."""

from __future__ import annotations

import click

from pipeline import catalogue, settings
from pipeline.cli.dead_letters.desk import actor
from pipeline.deadletters.desk import Desk


@click.command()
@click.argument("enrichments", nargs=-1, required=True)
@click.option("--why", default="", metavar="TEXT", help="For the audit: what was mended.")
def command(enrichments: tuple[str, ...], why: str) -> None:
    """Let the workers of ENRICHMENTS go on that paused because too many records died.

    Without it they try again by themselves after guard.probe_after. It is audited.

    \b
    Example:
      pipeline resume tickets --why "schema mended"
    """
    effective = settings.load()
    desk = Desk.open(effective, catalogue.load(effective.catalogue))
    for enrichment in enrichments:
        desk.resume(actor(), enrichment, why)
        click.echo(f"told the workers of {enrichment} to go on")
