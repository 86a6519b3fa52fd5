"""`pipeline`: one command group, its commands loaded only when they are asked for."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import click

from pipeline import __version__
from pipeline.errors import PipelineError


@dataclass(frozen=True)
class _Entry:
    """The module whose `command` it is, and its line in the list: nothing is imported to print that."""

    module: str
    line: str


_COMMANDS = {
    "ask": _Entry("pipeline.cli.ask", "Ask an enrichment's models about the records of a file, without Kafka."),
    "config": _Entry("pipeline.cli.config", "Show every setting, its value and where it comes from."),
    "console": _Entry("pipeline.cli.console", "Serve the operators' web console."),
    "consume": _Entry("pipeline.cli.consume", "Show the committed records of a topic, decoded."),
    "dead-letters": _Entry(
        "pipeline.cli.dead_letters", "See what could not be enriched and why, mend it, send it again."
    ),
    "demo": _Entry("pipeline.cli.demo", "See the whole of it at work on this machine, through a bad day."),
    "dev": _Entry("pipeline.cli.dev", "Start and stop real Kafka, registry and provider simulator on this machine."),
    "doctor": _Entry("pipeline.cli.doctor", "Look at everything that a worker needs and say what to fix."),
    "fallback": _Entry("pipeline.cli.fallback", "Train and measure the classifier that sorts where no model is asked."),
    "publish": _Entry("pipeline.cli.publish", "Publish the lines of a file to a topic."),
    "redact": _Entry("pipeline.cli.redact", "Show what of a text a model would see."),
    "resume": _Entry("pipeline.cli.resume", "Let workers go on that paused because too many records died."),
    "run": _Entry("pipeline.cli.run", "Run a worker for one, several or all enrichments."),
    "schemas": _Entry("pipeline.cli.schemas", "Check that new schema versions fit older ones; register them."),
    "simulate": _Entry("pipeline.cli.simulate", "Run a provider simulator that speaks OpenAI's and Anthropic's wires."),
    "topics": _Entry("pipeline.cli.topics", "Compare topics with a cluster, create missing ones, derive rights."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found = importlib.import_module(entry.module).command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in sorted(_COMMANDS.items())])


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
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  # its text may quote a record: only its kind and place are told
        frames = traceback.extract_tb(error.__traceback__)
        _fail(f"unexpected {type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}: please report it", 1)
    sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, code: int) -> None:
    click.echo(f"pipeline: {' '.join(message.split())}", err=True)
    sys.exit(code)
