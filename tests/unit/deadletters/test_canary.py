"""The canary goes on, waits or stops by what the topics say of the first records."""

from __future__ import annotations

import pytest
from pipeline.deadletters.canary import CanaryPolicy, Verdict, verdict
from pipeline.deadletters.filter import Status

POLICY = CanaryPolicy(records=10, bound=0.2, timeout_s=60)


@pytest.mark.parametrize(
    ("replayed", "dead", "replaying", "waited", "found"),
    [
        (10, 0, 0, 1, Verdict.GO),
        (8, 2, 0, 1, Verdict.GO),
        (9, 0, 1, 1, Verdict.WAIT),
        (9, 0, 1, 61, Verdict.LATE),
        (7, 3, 0, 1, Verdict.STOP),
        (0, 3, 7, 1, Verdict.STOP),
        (0, 0, 10, 61, Verdict.LATE),
        (10, 0, 0, 61, Verdict.GO),
    ],
)
def test_the_verdict(replayed: int, dead: int, replaying: int, waited: float, found: Verdict) -> None:
    told = {Status.REPLAYED: replayed, Status.DEAD_AGAIN: dead, Status.REPLAYING: replaying}
    assert verdict(POLICY, told, 10, waited) is found
