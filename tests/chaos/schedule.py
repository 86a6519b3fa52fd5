"""What goes wrong in a campaign, and when: drawn from a seed, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WORKERS = ("a", "b", "c", "d")
GUEST = "e"
"""The worker that joins and leaves again."""
BROKERS = 3


class Kind(StrEnum):
    """One way in which something goes wrong, or only changes."""

    KILL = "worker killed"
    FREEZE = "worker frozen past its session"
    LEAVE = "worker leaves and comes back"
    JOIN = "worker joins and leaves again"
    ROLLING = "workers restarted one after the other"
    FENCE = "producer fenced, its transaction aborted"
    CLOCK = "worker's clock jumps"
    BROKER_RESTART = "broker restarted"
    BROKER_KILL = "broker killed"
    COORDINATOR = "broker that coordinates the group killed"
    NO_BROKER = "all brokers frozen"
    REVIEW = "what is committed compared with what is visible"


OFTEN = (Kind.KILL, Kind.KILL, Kind.FREEZE, Kind.LEAVE, Kind.FENCE, Kind.CLOCK)
"""What is drawn more than once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them."""

    share: float
    """It happens when this part of all records is committed."""
    kind: Kind
    worker: str
    broker: int
    seconds: float
    """How long it lasts, where it lasts."""

    def __str__(self) -> str:
        return f"{self.share:.0%} {self.kind} ({self.worker}, broker {self.broker}, {self.seconds:.0f} s)"


def schedule(seed: int, extra: int, away: float) -> Sequence[Fault]:
    """Every kind once and `extra` more of the frequent ones, in the order in which they happen.

    `away`: seconds without any broker.
    """
    dice = random.Random(f"schedule {seed}")
    kinds = [*Kind, Kind.REVIEW, *dice.choices(OFTEN, k=extra)]
    dice.shuffle(kinds)
    # A killed worker's last words may be missing in the count of what is committed: the last part is never reached.
    shares = sorted(dice.uniform(0.05, 0.85) for _ in kinds)
    lasts = {Kind.FREEZE: 8.0, Kind.NO_BROKER: away}
    return [
        Fault(share, kind, dice.choice(WORKERS), dice.randrange(BROKERS), lasts.get(kind, dice.uniform(1, 4)))
        for share, kind in zip(shares, kinds, strict=True)
    ]
