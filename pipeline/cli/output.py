"""How commands print: tables for people, JSON for programs, progress on a terminal and plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from pipeline.jsontext import to_json

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")
_EVERY_S = 5.0
"""Between two lines of progress where there is no terminal."""


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    click.echo(to_json(value).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under a header; nothing is cut or wrapped, so that a row stays a line for other programs, too."""
    cells = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def console() -> Console:
    """Standard output; wide where it is no terminal: a value stays on its line."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(width=100_000, highlight=False)


class Counting(Protocol):
    """Told how many are done so far, how much of the whole that is (0 to 1; None: unknown), and what else to say."""

    def __call__(self, done: int, share: float | None, also: str = "") -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Counting]:
    """Shows a count on standard error: a bar on a terminal, a line every few seconds elsewhere."""
    if sys.stderr.isatty():
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)

            def draw(done: int, share: float | None, also: str = "") -> None:
                text = f"{what} {done:,}" + (f": {also}" if also else "")
                bar.update(task, description=text, completed=share or 0, total=None if share is None else 1)

            yield draw
    else:
        began = last = time.monotonic()

        def tell(done: int, share: float | None, also: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _EVERY_S:
                last = now
                part = "" if share is None else f" ({share:.0%})"
                click.echo(f"{what} {done:,}{part} after {now - began:.0f} s" + (f": {also}" if also else ""), err=True)

        yield tell
