"""What was found, as JSON and as Markdown tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.engines import plots
from benchmarks.engines.peers import PEERS
from benchmarks.engines.scenarios import Row

Cell = tuple[str, str, str]
"""Heading, name in the row, form: `%` a share, `,` a number with thousands, else a format."""

_COST: Sequence[Cell] = (
    ("CPU s per 1,000", "cpu_s_per_1000", ".2f"),
    ("peak RSS MB", "peak_rss_mb", ",.0f"),
)
_WRONG: Sequence[Cell] = (
    ("lost", "lost", ","),
    ("duplicate", "duplicate", ","),
    ("out of order", "out_of_order", ","),
    ("not in time", "not_in_time", ","),
)
_BACKLOG: Sequence[Cell] = (
    ("tickets", "tickets", ","),
    ("calls/s", "per_second", ",.0f"),
    ("of ideal", "of_ideal", "%"),
    ("start to end", "of_ideal_from_start_to_end", "%"),
    ("added p50 ms", "added_ms_p50", ",.0f"),
    ("added p99 ms", "added_ms_p99", ",.0f"),
    *_COST,
    *_WRONG,
    ("CPU idle", "machine_idle", "%"),
)
COLUMNS: Mapping[str, Sequence[Cell]] = {
    "throughput": _BACKLOG,
    "slow_keys": _BACKLOG,
    "kills": (
        ("tickets", "tickets", ","),
        ("kills", "kills", ","),
        *_WRONG,
        ("calls repeated", "calls_repeated", ",.0f"),
        ("seconds", "seconds", ",.0f"),
    ),
    "outage": (
        ("tickets", "tickets", ","),
        ("calls during it", "calls_during_the_outage", ",.0f"),
        ("false dead letters", "false_dead", ","),
        ("waiting at its end", "waiting_at_its_end", ",.0f"),
        ("drained after s", "drained_after_s", ",.1f"),
        ("ideal s", "ideal_drain_s", ",.1f"),
        *_WRONG,
    ),
    "quota": (
        ("tickets", "tickets", ","),
        ("quota used", "quota_used", "%"),
        ("429s", "refused_429", ",.0f"),
        ("of requests", "refused_share", "%"),
        ("false dead letters", "false_dead", ","),
        *_WRONG,
    ),
}
_TITLES = {
    "throughput": "A backlog worked off",
    "slow_keys": "The same, one key in 200 taking 30 s",
    "kills": "A SIGKILL every 10 s",
    "outage": "The provider out",
    "quota": "Three workers and half the quota they could use",
}


@dataclass
class Document:
    """One run of the comparison."""

    at: datetime
    asked: Mapping[str, object]
    rows: list[Row]
    left_out: dict[str, str]
    seconds: float = 0.0

    def add(self, row: Row) -> None:
        """Last, and in the place of what was found before for the same."""
        self.rows[:] = [one for one in self.rows if _place(one) != _place(row)] + [row]


def take_up(document: Document, folder: Path) -> None:
    """Begins with the rows of an earlier run that is written there, if there is one."""
    try:
        earlier = json.loads((folder / "engines.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    document.rows[:] = earlier["rows"]
    document.left_out.update({name: why for name, why in earlier["left_out"].items() if name not in document.left_out})


def write(document: Document, folder: Path) -> None:
    """`engines.json`, `engines.md` and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "at": document.at.isoformat(timespec="seconds"),
        "seconds": round(document.seconds),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()},
        "asked": {name: str(value) if isinstance(value, Path) else value for name, value in document.asked.items()},
        "peers": {peer.name: {"title": peer.title, "version": peer.version} for peer in PEERS},
        "rows": document.rows,
        "left_out": document.left_out,
    }
    (folder / "engines.json").write_text(json.dumps(_rounded(data), indent=1) + "\n", encoding="utf-8")
    (folder / "engines.md").write_text(markdown(document, plots.draw(document.rows, folder)), encoding="utf-8")


def markdown(document: Document, pictures: Sequence[str] = ()) -> str:
    """All tables, one for each scenario, latency and number of partitions."""
    titles = {peer.name: f"{peer.title} {peer.version}".strip() for peer in PEERS}
    guarantees = {peer.name: peer.guarantee for peer in PEERS}
    lines = [f"# Engines side by side, {document.at:%Y-%m-%d %H:%M} UTC", ""]
    tables: dict[tuple[int, int, int, int], list[Row]] = {}
    for row in document.rows:
        scenario, *numbers = (row[name] for name in ("scenario", "p50_ms", "partitions", "concurrency"))
        p50_ms, partitions, concurrency = (int(str(number)) for number in numbers)
        place = list(COLUMNS).index(str(scenario)), p50_ms, partitions, concurrency
        tables.setdefault(place, []).append(row)
    for (number, p50_ms, partitions, concurrency), rows in sorted(tables.items(), key=lambda table: table[0]):
        scenario = list(COLUMNS)[number]
        cells = COLUMNS[scenario]
        lines += [f"## {_TITLES[scenario]}: p50 {p50_ms} ms, {partitions} partitions", ""]
        rows.sort(key=lambda row: [peer.name for peer in PEERS].index(str(row["peer"])))
        lines += [f"{concurrency} calls in flight.", ""]
        lines += ["| engine | promises | " + " | ".join(heading for heading, _, _ in cells) + " |"]
        lines += ["|---|---" + "|---:" * len(cells) + "|"]
        for row in rows:
            name = str(row["peer"])
            shown = " | ".join(_shown(row.get(what), form) for _, what, form in cells)
            lines.append(f"| {titles[name]} | {guarantees[name]} | {shown} |")
        lines.append("")
    if document.left_out:
        lines += ["## Left out", ""]
        lines += [f"- {titles[name]}: {why}" for name, why in document.left_out.items()] + [""]
    return "\n".join(lines + [f"![{name}]({name})" for name in pictures]).rstrip() + "\n"


def line(row: Row) -> str:
    """One row, for whoever watches."""
    cells = COLUMNS[str(row["scenario"])]
    shown = ", ".join(f"{heading} {_shown(row.get(what), form)}" for heading, what, form in cells)
    return f"{row['scenario']} {row['p50_ms']} ms {row['partitions']} partitions {row['peer']}: {shown}"


def _place(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("scenario", "peer", "p50_ms", "partitions", "concurrency"))


def _shown(value: object, form: str) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value * 100:.1f} %" if form == "%" else format(value, form)


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value
