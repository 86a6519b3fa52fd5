"""The gateway against the simulator: overhead, quota, outage, repeated questions, cascade, soak; and peers beside it.

    python -m benchmarks.gateway [SCENARIO ...] [--quick] [--out FILE] [--litellm-python PYTHON]

Prints one JSON object; `reached` in each scenario says which of its figures were reached. Without a scenario all are
run: about a quarter of an hour, with --quick six minutes. Needs the extra `devstack`.

Peers are the openai SDK with its own retries behind a semaphore, and litellm's router. litellm needs an older openai
than this project and lives in an environment of its own:

    python -m venv out/peers && out/peers/bin/pip install litellm
    python -m benchmarks.gateway --litellm-python out/peers/bin/python
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

SCENARIOS = ("overhead", "quota", "outage", "repeats", "cascade", "soak")
QUICK: dict[str, dict[str, Any]] = {
    "overhead": {"calls": 1500, "rounds": 1},
    "quota": {"part_s": 8.0},
    "outage": {"outage_s": 15.0},
    "repeats": {"questions": 1500},
    "cascade": {"ladders": 3},
    "soak": {"questions": 1500},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway",
        description="Measures the gateway against the simulator, peers beside it; prints one JSON object.",
        epilog="example: python -m benchmarks.gateway quota outage --quick --out out/gateway.json",
    )
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help=f"any of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    parser.add_argument("--out", type=Path, help="write the JSON there too")
    parser.add_argument("--litellm-python", default="", metavar="PYTHON", help="the Python that has litellm installed")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.scenario) - set(SCENARIOS)):
        parser.error(f"no scenario is named {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    pythons = {"litellm_router": chosen.litellm_python} if chosen.litellm_python else {}
    found: dict[str, Any] = {}
    for name in chosen.scenario or SCENARIOS:
        began = time.perf_counter()
        found[name] = _play(name, QUICK.get(name, {}) if chosen.quick else {}, pythons)
        found[name]["took_s"] = round(time.perf_counter() - began, 1)
        print(f"{name}: {found[name]['took_s']} s", file=sys.stderr)
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")


def _play(name: str, arguments: dict[str, Any], pythons: dict[str, str]) -> dict[str, Any]:
    """What a scenario finds; why it cannot be run here, when something that only it needs is missing."""
    try:
        scenario = importlib.import_module(f"benchmarks.gateway_scenarios.{name}")
        if "peers" in inspect.signature(scenario.run).parameters:
            from benchmarks.gateway_scenarios.peers import Peers

            arguments = {"peers": Peers(pythons), **arguments}
        found: dict[str, Any] = scenario.run(**arguments)
    except ImportError as error:
        return {"skipped": f"{error.name} is not installed (extra devstack)"}
    except UsageError as error:
        return {"skipped": str(error)}
    except FileNotFoundError as error:
        return {"skipped": f"{Path(str(error.filename)).name} is not here"}
    except Exception as error:  # noqa: BLE001 - told in its place: the other scenarios are worth their time
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}", "reached": {"it_ran": False}}
    return found


if __name__ == "__main__":
    main()
