"""`pipeline dev`: the embedded stack."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pipeline import settings
from pipeline.devstack import state
from pipeline.devstack.stack import DEFAULT, Plan, Service, Stack
from pipeline.devstack.state import State
from pipeline.errors import UnavailableError

_SECRET_WORDS = ("password", "keys", "api_key")


@click.group()
def command() -> None:
    """Start and stop real Kafka, registry and provider simulator on this machine; no Docker, no Java needed.

    Every other command finds the running stack by itself.
    """


@command.command()
@click.option(
    "--with",
    "extra",
    metavar="redis,postgres",
    default="",
    help="Servers to start besides Kafka, the registry and the provider simulator.",
)
@click.option("--sasl", is_flag=True, help="Kafka with SCRAM users and ACLs; all commands act as its super user.")
@click.option("--profile", default="quiet", metavar="FILE", help="The provider simulator's: a file or a shipped name.")
@click.option("--json", "as_json", is_flag=True, help="Print where everything is as JSON, without secrets.")
def up(extra: str, sasl: bool, profile: str, as_json: bool) -> None:
    """Start the stack and leave it running.

    What runs already stays as it is. Topics, schemas and ports of the last time are kept.
    """
    plan = Plan(DEFAULT | _services(extra), sasl=sasl, profile=profile)
    begin = time.monotonic()
    console = Console(stderr=True)
    with console.status("starting the embedded stack") as spinner:

        def tell(line: str) -> None:
            spinner.update(line)
            if not console.is_terminal:
                console.print(line, highlight=False)

        stack = Stack.up(_folder(), plan, progress=tell)
    if as_json:
        click.echo(json.dumps(_shown(_folder())))
    elif not stack.begun:
        click.echo("the embedded stack is already up")
        _table(_folder())
    else:
        click.echo(f"the embedded stack is up ({time.monotonic() - begin:.1f} s)")
        _table(_folder())
        click.echo("stop it: pipeline dev down")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def status(as_json: bool) -> None:
    """Show what runs and where; exit code 1 when something of it does not."""
    folder = _folder()
    known = State.read(folder)
    if as_json:
        click.echo(json.dumps(_shown(folder)))
    elif known is None:
        click.echo("the embedded stack is down (start it: pipeline dev up)")
    else:
        _table(folder)
    if known is None:
        raise click.exceptions.Exit(1)
    if missing := sorted(set(known.services) - known.alive(folder)):
        raise UnavailableError(f"{', '.join(missing)} ended; start it again: pipeline dev up")


@command.command()
@click.option("--wipe", is_flag=True, help="Delete what it stored: topics, schemas, passwords, the vault's key.")
def down(wipe: bool) -> None:
    """Stop the stack. Topics and schemas are kept for the next start."""
    ended = state.down(_folder(), wipe=wipe, progress=click.echo)
    click.echo(f"stopped {', '.join(ended)}" if ended else "the embedded stack was not up")


@command.command()
def env() -> None:
    """Print the settings as shell exports, for other programs. Holds secrets of the embedded stack.

    \b
    Example:
      eval "$(pipeline dev env)"
    """
    known = State.read(_folder())
    if known is None or not known.alive(_folder()):
        raise UnavailableError("the embedded stack is down; start it: pipeline dev up")
    for name, value in state.variables(known.settings).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _folder() -> Path:
    return settings.places.embedded_state_file().parent


def _services(names: str) -> frozenset[Service]:
    found = set()
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in set(Service):
            raise click.BadParameter(f"{name!r} is none of {', '.join(Service)}", param_hint="--with")
        found.add(Service(name))
    return frozenset(found)


def _table(folder: Path) -> None:
    known = State.read(folder)
    if known is None:
        return
    alive = known.alive(folder)
    table = Table(box=None, header_style="bold")
    for title in ("service", "state", "port", "pid", "since"):
        table.add_column(title)
    for name, running in known.services.items():
        table.add_row(name, _word(name in alive), str(running.port), str(running.pid), running.started)
    Console().print(table)


def _shown(folder: Path) -> dict[str, object]:
    """What may be seen of the stack: all but its secrets."""
    known = State.read(folder)
    if known is None:
        return {"services": {}, "settings": {}}
    alive = known.alive(folder)
    services = {name: {"state": _word(name in alive), **asdict(running)} for name, running in known.services.items()}
    return {"services": services, "settings": _public(known.settings)}


def _word(alive: bool) -> str:
    return "up" if alive else "ended"


def _public(nested: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found[name] = _public(value)
        elif not any(word in name for word in _SECRET_WORDS):
            found[name] = value
    return found
