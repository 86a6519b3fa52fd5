"""`export` and `import`: dead letters as lines of JSON."""

from __future__ import annotations

from typing import BinaryIO

import click

from pipeline.cli.dead_letters.choosing import count, filters, of_topic
from pipeline.cli.dead_letters.desk import actor, opened
from pipeline.cli.output import json_option, print_json
from pipeline.deadletters.filter import Filter


@click.command()
@filters
def export(topic: str | None, wanted: Filter) -> None:
    """Write dead letters as lines of JSON, their originals sealed as they are.

    \b
    Example:
      pipeline dead-letters export --status all > dead-letters.jsonl
    """
    desk = opened()
    for line in desk.exported(actor(), of_topic(desk, topic, wanted)):
        print_json(line)


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@json_option
def import_(file: BinaryIO, as_json: bool) -> None:
    """Put exported dead letters back that are not there, under the ids they had. FILE may be -.

    What had been dealt with where it was exported is closed: it is not to be sent a second time.

    \b
    Example:
      pipeline dead-letters import dead-letters.jsonl
    """
    back, total = opened().put_back(actor(), file)
    if as_json:
        print_json({"put_back": back, "there_already": total - back})
    else:
        click.echo(f"put back {count(back)}; {total - back:,} were there")
