"""The canary: the first records of a replay tell whether the others should follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.deadletters.filter import Status


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """`records` go first (0: none); when more than the share `bound` of them dies again the others stay.

    `timeout_s` is for how long their outcome is waited for.
    """

    records: int
    bound: float
    timeout_s: float


class Verdict(StrEnum):
    """What is to be done now."""

    WAIT = "wait"
    GO = "go"
    STOP = "stop"
    LATE = "late"
    """No outcome in time: perhaps no worker runs."""


def verdict(policy: CanaryPolicy, outcomes: Mapping[Status, int], sent: int, waited_s: float) -> Verdict:
    """Of `sent` records, as the topics tell of them now."""
    if outcomes.get(Status.DEAD_AGAIN, 0) > policy.bound * sent:
        return Verdict.STOP
    if sum(outcomes.values()) - outcomes.get(Status.REPLAYING, 0) >= sent:
        return Verdict.GO
    return Verdict.LATE if waited_s > policy.timeout_s else Verdict.WAIT
