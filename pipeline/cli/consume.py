"""`pipeline consume`: the committed records of a topic, decoded."""

from __future__ import annotations

import asyncio

import click

from pipeline import catalogue, settings
from pipeline.cli.moment import Moment
from pipeline.cli.output import console, json_option, print_json
from pipeline.cli.records import Shown, answer_field
from pipeline.errors import RecordError, UnavailableError
from pipeline.serde import Decoder, TopicCodecs
from pipeline.stream.reader import Start, read
from pipeline.stream.record import Record

_REGISTRY_WAIT_S = 20.0
"""A worker waits for a registry as long as it must; a person is told."""
_FROM = "Where to begin: earliest if not set, latest, a time (2026-03-05T14:00, UTC without an offset) or an age (90m)."


def _start(ctx: click.Context, param: click.Parameter, text: str) -> Start:
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    return Moment().convert(text, param, ctx)


@click.command()
@click.argument("topic")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many records.")
@click.option("--follow", is_flag=True, help="Wait for new records until interrupted.")
@click.option("--from", "start", callback=_start, default="earliest", metavar="earliest|latest|TIME", help=_FROM)
@json_option
def command(topic: str, limit: int | None, follow: bool, start: Start, as_json: bool) -> None:
    """Show the committed records of TOPIC, decoded; up to its end as it is now, or on and on with --follow.

    Nothing is committed and no group is joined: whoever else reads the topic is not disturbed. Partitions come one
    beside the other, the records of each in order. JSON lines hold dates in ISO 8601, exact amounts as strings and
    bytes as base64; a value that cannot be decoded is shown as such.

    \b
    Examples:
      pipeline consume support.tickets.enriched.v1 --limit 3
      pipeline consume insurance.claims.extracted.v1 --from 2h --json
    """
    effective = settings.load()
    client = effective.kafka.client()
    known = catalogue.load(effective.catalogue)
    decoder = TopicCodecs(known, effective.registry).decoder(topic)
    answer, out = answer_field(known, topic), console()
    with asyncio.Runner() as runner:
        try:
            for record in read(client, [topic], until_end=not follow, limit=limit, start=start):
                shown = runner.run(_decoded(decoder, record))
                if as_json:
                    print_json(shown.as_row())
                else:
                    out.print(shown.as_text(answer))
        except KeyboardInterrupt:
            if not follow:
                raise


async def _decoded(decoder: Decoder, record: Record) -> Shown:
    if record.value is None:
        return Shown(record, None)
    try:
        async with asyncio.timeout(_REGISTRY_WAIT_S):
            return Shown(record, (await decoder.decode(record.value)).record)
    except RecordError as error:
        return Shown(record, None, f"cannot be decoded: {error.message}")
    except TimeoutError:
        raise UnavailableError("the schema registry does not answer: is it up? (pipeline doctor says)") from None
