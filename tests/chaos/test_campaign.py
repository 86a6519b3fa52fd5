"""One small campaign with every fault in it; `make chaos` runs large ones."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from pipeline.devstack.stack import Stack
from tests.chaos.campaign import campaign


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_reordered_whatever_fails(cluster: Stack, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
    sys.stdout.write(f"seed {seed}\n")
    report = campaign(cluster, seed, 20_000, extra=2, away=5.0, folder=tmp_path, limit=200)
    sys.stdout.write(f"{report}\n")
    assert report.good, "\n".join([str(report), *report.faults, *report.unasked, *report.wrong, f"logs: {tmp_path}"])
