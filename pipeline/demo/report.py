"""What the demo says at its end: the balance as a table, one record of each kind before and after, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import cast

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.demo.balance import Balance
from pipeline.demo.evidence import Example
from pipeline.demo.session import Result

_SHOWN_CHARACTERS = 700


def as_json(balance: Balance, breaker_opened: int) -> dict[str, object]:
    """One enrichment's figures, as `--report` writes them."""
    return {
        "published": balance.published,
        "enriched": balance.enriched,
        "dead_letters": dict(balance.dead_letters),
        "duplicates": balance.duplicates,
        "out_of_order": balance.out_of_order,
        "calls": balance.calls,
        "cost_usd": str(balance.cost_usd.normalize() if balance.cost_usd else Decimal(0)),
        "breaker_opened": breaker_opened,
        "seconds": round(balance.seconds, 1),
    }


def table(balances: Mapping[str, Balance], breaker_opened: int) -> RenderableType:
    """The balance: one column for each enrichment."""
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    shown.add_column("read from the topics", min_width=34)
    for name in balances:
        shown.add_column(name, justify="right")
    every = list(balances.values())

    def row(title: str, *cells: object, style: str = "") -> None:
        shown.add_row(title, *[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells], style=style)

    row("published", *[one.published for one in every])
    row("= enriched", *[one.enriched for one in every])
    row("+ dead letters", *[sum(one.dead_letters.values()) for one in every])
    for cause in sorted({cause for one in every for cause in one.dead_letters}):
        row(f"    {cause}", *[one.dead_letters.get(cause, 0) for one in every], style="dim")
    shown.add_row()
    for title, numbers in (
        ("neither enriched nor dead", [one.missing + one.strange for one in every]),
        ("twice", [one.duplicates for one in every]),
        ("out of order within their key", [one.out_of_order for one in every]),
    ):
        row(title, *numbers, style="bold red" if any(numbers) else "")
    row("    of keys with several records", *[one.keys for one in every], style="dim")
    shown.add_row()
    row("calls", *[one.calls for one in every])
    if any(one.cached for one in every):
        row("    equal texts, answered without", *[one.cached for one in every], style="dim")
    row("cost", *[f"${one.cost_usd:.4f}" for one in every])
    row("first record in to last one out", *[f"{one.seconds:.1f} s" for one in every])
    row("breakers opened", *[breaker_opened, *[""] * (len(every) - 1)])
    return shown


def verdict(balances: Mapping[str, Balance]) -> Text:
    """In one line, whether everything is accounted for."""
    if all(one.closes for one in balances.values()):
        return Text("input = enriched + dead letters; each record once, each key in order", style="bold green")
    wrong = ", ".join(name for name, one in balances.items() if not one.closes)
    return Text(f"the balance of {wrong} does not close", style="bold red")


def example(name: str, found: Example) -> RenderableType:
    """One record before and after."""
    provenance = cast(Mapping[str, object], found.after["provenance"])
    answer = cast(Mapping[str, object], found.after["enrichment"])
    parts: list[RenderableType] = [_panel("published", "yellow", _short("\n".join(_texts(found.before))))]
    if found.prompt:
        parts.append(_panel("what reached the provider", "green", _short(found.prompt.strip())))
    after = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for field, value in answer.items():
        after.add_row(Text(field, style="dim"), Text(_said(value)))
    simulated = ", simulated" if provenance["simulated"] else ""
    parts.append(_panel(f"enriched by {provenance['model']} at {provenance['provider']}{simulated}", "cyan", after))
    return Group(Text(f"One of the {name} before and after", style="bold"), *parts)


def remarks(result: Result) -> list[str]:
    """What has to be said about the figures, a line each."""
    if not result.simulated:
        return ["Real providers were asked: no faults, no outage."]
    disturbed = f"{result.throttled:,} answers 429, {result.failed:,} other failures, {result.first} out for 20 s"
    return [
        f"Injected: 1 % malformed records, {disturbed}.",
        "Simulated: the providers. Their answers match words, a real model reads; nobody was paid.",
        "Shown as it reached the provider: the request whose digest stands in the record's audit entry.",
    ]


def next_commands(commands: Sequence[tuple[str, str]]) -> RenderableType:
    """Commands to try, each with what it does."""
    lines = [line for command, what in commands for line in (Text(f"  # {what}", style="dim"), Text(f"  {command}"))]
    return Group(Text("Next", style="bold"), *lines)


def _panel(title: str, color: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", border_style=color)


def _texts(record: Mapping[str, object]) -> list[str]:
    """What people wrote in a record, and who they are."""
    lines = []
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{name}: {', '.join(str(part) for part in value.values() if part)}")
        elif isinstance(value, str) and value and name not in ("tenant_id", "language", "channel"):
            lines.append(f"{name}: {value}" if "\n" not in value else f"{name}:\n{value}")
        elif isinstance(value, list):
            lines += [f"{name}: {part}" for item in value for part in _texts(item)]
    return lines


def _short(text: str) -> Text:
    return Text(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + " ...")


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(_said(part) for part in value.values())
    if isinstance(value, list):
        return "; ".join(_said(item) for item in value) or "none"
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, date | Decimal):
        return str(value)
    return "none" if value is None else str(value)
