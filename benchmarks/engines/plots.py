"""The rows as pictures, where matplotlib is installed (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

_PICTURES = (
    ("throughput", "of_ideal", "share of the ideal throughput"),
    ("throughput", "cpu_s_per_1000", "CPU seconds per 1,000 tickets"),
    ("throughput", "added_ms_p99", "ms from answer to visible output, p99"),
    ("slow_keys", "of_ideal", "share of the ideal throughput, one key in 200 taking 30 s"),
)


def draw(rows: Sequence[Mapping[str, object]], folder: Path) -> list[str]:
    """One SVG for each figure there are rows of; their names. None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return []
    drawn: list[str] = []
    for scenario, what, label in _PICTURES:
        found = [row for row in rows if row["scenario"] == scenario]
        if not found:
            continue
        names = list(dict.fromkeys(str(row["peer"]) for row in found))
        settings = list(dict.fromkeys((row["p50_ms"], row["partitions"]) for row in found))
        figure = Figure(figsize=(9, 1 + 0.35 * len(names) * max(1, len(settings) / 2)), layout="constrained")
        axes = figure.subplots()
        height = 0.8 / len(settings)
        for place, (p50_ms, partitions) in enumerate(settings):
            values = {
                str(row["peer"]): float(str(row[what]))
                for row in found
                if (row["p50_ms"], row["partitions"]) == (p50_ms, partitions)
            }
            levels = [number + place * height for number, name in enumerate(names) if name in values]
            axes.barh(levels, list(values.values()), height, label=f"p50 {p50_ms} ms, {partitions} partitions")
        axes.set_yticks([number + 0.4 - height / 2 for number in range(len(names))], names)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        figure.legend(loc="outside upper center", ncols=2, fontsize="small")
        name = f"{scenario}-{what}.svg"
        figure.savefig(folder / name)
        drawn.append(name)
    return drawn
