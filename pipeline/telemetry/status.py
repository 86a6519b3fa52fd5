"""What a worker is doing, for whoever shows it: live view, metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.deadletters.second_chance import ChanceStatus
from pipeline.llm import GatewayStatus
from pipeline.stream.engine import EngineStatus
from pipeline.telemetry.outcomes import Tally


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Engines and tallies by enrichment, and the gateway they share."""

    engines: Mapping[str, EngineStatus]
    tallies: Mapping[str, Tally]
    gateway: GatewayStatus
    second_chances: Mapping[str, ChanceStatus] = field(default_factory=dict)
    """Of the enrichments that give any."""
