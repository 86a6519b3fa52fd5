"""The provider simulator as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.devstack.registry import answers
from pipeline.devstack.server import Server
from pipeline.simulator import profile as profiles


class Simulator(Server):
    """Both vendors' wires on one port; quotas, latencies and faults by its profile."""

    title = "the provider simulator"

    def __init__(self, folder: Path, run: Path, port: int, profile: str) -> None:
        super().__init__("simulator", folder, run, port)
        self.url = f"http://127.0.0.1:{port}"
        self._profile = profile

    def command(self) -> Sequence[str]:
        program = [sys.executable, "-m", "pipeline.simulator", "--host", "127.0.0.1", "--port", str(self.port)]
        return [*program, "--profile", self._profile]

    def ready(self, within: float) -> bool:
        return answers(self.port, "/health", within)

    def settings(self) -> Mapping[str, object]:
        """Both providers, with the quotas that the profile enforces."""
        profile = profiles.load(self._profile)
        key = {"api_key": "simulated", "simulated": True}
        quotas = {
            name: {
                field: value
                for field, value in wire.quota.model_dump().items()
                if field.endswith("_per_minute") and value
            }
            for name, wire in (("openai", profile.openai), ("anthropic", profile.anthropic))
        }
        return {
            "providers": {
                "openai": {"wire": "openai", "base_url": f"{self.url}/openai/v1"} | key | quotas["openai"],
                "anthropic": {"wire": "anthropic", "base_url": f"{self.url}/anthropic"} | key | quotas["anthropic"],
            }
        }
