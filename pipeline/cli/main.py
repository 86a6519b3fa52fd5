"""`pipeline`: one command group, its commands loaded only when they are asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from pipeline import __version__
from pipeline.errors import PipelineError

_COMMANDS = {
    "ask": "pipeline.cli.ask",
    "config": "pipeline.cli.config",
    "consume": "pipeline.cli.consume",
    "dead-letters": "pipeline.cli.dead_letters",
    "demo": "pipeline.cli.demo",
    "dev": "pipeline.cli.dev",
    "doctor": "pipeline.cli.doctor",
    "publish": "pipeline.cli.publish",
    "redact": "pipeline.cli.redact",
    "run": "pipeline.cli.run",
    "schemas": "pipeline.cli.schemas",
    "simulate": "pipeline.cli.simulate",
    "topics": "pipeline.cli.topics",
}
"""Command name to the module whose `command` it is."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = importlib.import_module(module).command
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pipeline")
def pipeline() -> None:
    """Enrich events on Kafka by a language model: exactly once, in key order, personal data taken out first.

    \b
    Start here:
      pipeline dev up                          start the embedded Kafka, registry and provider simulator
      pipeline publish support.tickets.v1 FILE.jsonl
      pipeline run --until-idle 5              enrich what is there
      pipeline consume support.tickets.enriched.v1
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: every failure is one line on standard error and an exit code, never a traceback."""
    try:
        result = pipeline.main(args=arguments, prog_name="pipeline", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        _fail("interrupted", 130)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "pipeline"
        _fail(f"{error.format_message()} Try '{where} --help'.", 2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except PipelineError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, code: int) -> None:
    click.echo(f"pipeline: {' '.join(message.split())}", err=True)
    sys.exit(code)
