"""`pipeline console`: the operators' web console."""

from __future__ import annotations

import click

from pipeline import catalogue, settings
from pipeline.cli.output import json_option, print_json
from pipeline.telemetry.logs import configure


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where it listens.  [default: console.host, this machine only]")
@click.option("--port", type=click.IntRange(0, 65535), help="At which port; 0: any that is free.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="SECONDS", help="End after so long.")
@json_option
def command(host: str | None, port: int | None, seconds: float | None, as_json: bool) -> None:
    """Serve the operators' console: what is held, what is dead and why, mended and sent again in a browser.

    Who may sign in stands in console.tokens (PIPELINE_CONSOLE__TOKENS_FILE), or a proxy says who somebody is
    (console.user_header). Without either this machine's user may, by a token in a file that is named at the start.

    \b
    Example:
      pipeline console --port 8600
    """
    effective = settings.load()
    configure(effective.telemetry.log_level, effective.telemetry.log_format)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    section = effective.console.model_copy(update=given)
    effective = effective.model_copy(update={"console": section})
    # The web's libraries and what makes prompts take a while to import: whoever asks for help does not wait for them.
    from pipeline.console.serving import Opening, serve

    def told(opening: Opening) -> None:
        if as_json:
            print_json({"url": opening.url, "token_file": opening.token_file or None})
        else:
            click.echo(f"console at {opening.url} (Ctrl-C ends it)")
            if opening.token_file:
                click.echo(f"sign in as {opening.user} with the token in {opening.token_file}")

    serve(effective, catalogue.load(effective.catalogue), told, seconds)
