"""The gateway against the simulator: overhead, quota, outage, repeated questions, cascade, soak.

    python -m benchmarks.gateway [SCENARIO ...] [--quick] [--out FILE]

Prints one JSON object. Without a scenario all are run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

SCENARIOS = ("overhead", "quota", "outage", "repeats", "cascade", "soak")
QUICK: dict[str, dict[str, Any]] = {"overhead": {"calls": 2000, "rounds": 1}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway")
    parser.add_argument("scenario", nargs="*", choices=SCENARIOS, default=[])
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    parser.add_argument("--out", type=Path, help="write the JSON there too")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    for name in chosen.scenario or SCENARIOS:
        began = time.perf_counter()
        scenario = importlib.import_module(f"benchmarks.gateway_scenarios.{name}")
        found[name] = scenario.run(**(QUICK.get(name, {}) if chosen.quick else {}))
        found[name]["took_s"] = round(time.perf_counter() - began, 1)
        print(f"{name}: {found[name]['took_s']} s", file=sys.stderr)
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
