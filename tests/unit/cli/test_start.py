"""Commands that people wait for load nothing that they do not use."""

from __future__ import annotations

import subprocess
import sys

SLOW = (
    "pipeline.redact",
    "pipeline.worker",
    "hyperscan",
    "phonenumbers",
    "openai",
    "anthropic",
    "genai_prices",
    "redis",
)
QUICK = ("dead_letters", "topics", "schemas", "publish", "consume", "config", "resume", "run", "doctor")


def test_commands_are_there_without_the_scanner_and_the_vendors() -> None:
    imports = ", ".join(f"pipeline.cli.{name}" for name in QUICK)
    told = f"import sys, {imports}; print(*[name for name in {SLOW!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == []
