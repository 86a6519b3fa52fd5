"""`edit` and `resolve`: dead letters made right, or closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TextIO

import click

from pipeline import contract
from pipeline.cli.dead_letters.choosing import count, filters, narrowed, of_topic
from pipeline.cli.dead_letters.desk import actor, opened
from pipeline.cli.output import json_option, print_json
from pipeline.deadletters.changes import Change, mapping, setting
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter
from pipeline.deadletters.mending import Mended
from pipeline.errors import UsageError


@click.command()
@click.argument("named", nargs=-1, metavar="[ID]...")
@filters
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="A new value, read as the field's type.")
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="FIELD=EXPRESSION",
    help='A value made of the record: upper(f), lower(f), trim(f), replace(f, "a", "b"), concat(f, ...), cut(f, n), '
    "default(f, v).",
)
@click.option("--from", "source", type=click.File("r", encoding="utf-8"), help="The value's JSON; - is standard input.")
@click.option("--why", default="", metavar="TEXT", help="Kept with the edit.")
@json_option
def edit(
    topic: str | None,
    wanted: Filter,
    settings: tuple[str, ...],
    mappings: tuple[str, ...],
    source: TextIO | None,
    why: str,
    as_json: bool,
) -> None:
    """Mend values: of one dead letter in $EDITOR or by --from, of many by --set and --map.

    A value is taken only when its schema and its enrichment take it; of many all are, or none. The original stays, and
    what was changed is kept, sealed: `show --reveal` shows it. A replay sends the mended value.

    \b
    Example:
      pipeline dead-letters edit --cause contract_broken --set 'channel=web' --map 'subject=cut(subject, 200)'
    """
    if not narrowed(topic, wanted):
        raise UsageError("say which: an id, or options as for list")
    desk = opened()
    wanted = of_topic(desk, topic, wanted)
    if source is not None and (settings or mappings):
        raise UsageError("--from is the whole value: say it without --set and --map")
    if settings or mappings:
        mended = desk.change(actor(), wanted, _changes(settings, mappings), why)
    else:
        mended = [_written(desk, wanted, source, why)]
    changed = [one for one in mended if one.fields]
    if as_json:
        for one in changed:
            print_json({"id": one.letter.id, "fields": list(one.fields)})
        return
    for one in changed:
        click.echo(f"mended {one.letter.id}: {', '.join(one.fields)}")
    click.echo(
        f"{count(len(changed))} mended; send with: pipeline dead-letters replay" if changed else "nothing changed"
    )


@click.command()
@click.argument("named", nargs=-1, metavar="[ID]...")
@filters
@click.option("--why", required=True, metavar="TEXT", help="Kept for good: it is all that will be known.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def resolve(topic: str | None, wanted: Filter, why: str, yes: bool, as_json: bool) -> None:
    """Close open dead letters without sending them again.

    \b
    Example:
      pipeline dead-letters resolve --cause null_value --since 2d --why "tombstones, nothing to enrich" --yes
    """
    if not narrowed(topic, wanted):
        raise UsageError("say which: an id, or options as for list")
    desk = opened()
    wanted = of_topic(desk, topic, wanted)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("say --yes to close them where nobody can be asked")
        click.confirm(f"Close {count(sum(desk.causes(wanted).values()))}?", abort=True)
    closed = desk.resolve(actor(), wanted, why)
    if as_json:
        print_json({"resolved": [entry.id for entry in closed]})
    else:
        click.echo(f"resolved {count(len(closed))}")


def _changes(settings: Sequence[str], mappings: Sequence[str]) -> Callable[[contract.Schema], Sequence[Change]]:
    for text in (*settings, *mappings):
        if "=" not in text:
            raise UsageError(f"{text!r} is not of the form field=value")
    return lambda schema: [
        *(setting(text, schema) for text in settings),
        *(mapping(text, schema) for text in mappings),
    ]


def _written(desk: Desk, wanted: Filter, source: TextIO | None, why: str) -> Mended:
    """One value, from a file or out of the editor."""
    entries = desk.letters(wanted)
    if len(entries) != 1:
        raise UsageError(f"{count(len(entries))} match; name one, or say --set or --map")
    who = actor()
    opened_value = desk.open_value(who, desk.story(entries[0].id))
    if source is not None:
        return desk.edit(who, opened_value, source.read(), why)
    text = opened_value.text
    while True:
        written = click.edit(text, extension=".json", require_save=False)
        try:
            return desk.edit(who, opened_value, written or "", why)
        except UsageError as error:
            if not sys.stdin.isatty():
                raise
            click.echo(f"not taken: {error}", err=True)
            click.confirm("Open it again?", default=True, abort=True)
            text = written or text
