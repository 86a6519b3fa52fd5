"""One small campaign; `make chaos` runs large ones, of other seeds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pipeline.devstack.stack import Stack
from tests.chaos.campaign import campaign
from tests.chaos.schedule import Kind


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_reordered_whatever_fails(cluster: Stack, tmp_path: Path) -> None:
    # All brokers away at once is left to the long form: it takes the group up to a minute to be whole again.
    kinds = [kind.name for kind in Kind if kind is not Kind.NO_BROKER]
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    report = campaign(cluster, seed, 20_000, extra=2, away=0.0, only=kinds, folder=tmp_path, limit=200)
    sys.stdout.write(f"{report}\n")
    assert report.good, "\n".join([str(report), *report.faults, *report.unasked, *report.wrong, f"logs: {tmp_path}"])
