"""The guard: when too large a share of the last records died, something is wrong that replaying will not mend."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """`share` of dead letters (0 to 1) among the last `window` records at which the processor pauses; `run` of dead
    letters of one fingerprint, with no other record between them, at which it does, too (0: none); `probe` records that
    are tried after a pause: when all of them die it pauses again."""

    share: float
    window: int
    run: int = 0
    probe: int = 10


class Guard:
    """One enrichment's window. Says when to pause; starts anew after it did."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._policy = policy
        self._died: deque[bool] = deque(maxlen=policy.window)
        self._dead = 0
        self._alike: tuple[str, int] = "", 0
        self._to_try = 0

    @property
    def probing(self) -> bool:
        """Whether nothing was enriched yet since `probe`."""
        return self._to_try > 0

    def probe(self) -> None:
        """A pause is over, and nobody knows whether its cause is."""
        self._to_try = self._policy.probe

    def trust(self) -> None:
        """A pause is over, and somebody says that its cause is."""
        self._to_try = 0

    def record(self, *, died: bool, fingerprint: str = "") -> str | None:
        """Takes in one outcome, of a dead letter with its fingerprint; the reason to pause, or None."""
        before, times = self._alike
        self._alike = (fingerprint, times + 1 if fingerprint == before else 1) if died and fingerprint else ("", 0)
        if len(self._died) == self._policy.window:
            self._dead -= self._died[0]
        self._died.append(died)
        self._dead += died
        if self._to_try:
            self._to_try = self._to_try - 1 if died else 0
            if died and not self._to_try:
                return self._pause(f"the first {self._policy.probe} records after a pause became dead letters, too")
        if self._policy.run and self._alike[1] >= self._policy.run:
            return self._pause(f"{self._alike[1]} dead letters in a row have the fingerprint {self._alike[0]}")
        if len(self._died) < self._policy.window or self._dead < self._policy.share * self._policy.window:
            return None
        return self._pause(f"{self._dead} of the last {self._policy.window} records became dead letters")

    def _pause(self, reason: str) -> str:
        self._died.clear()
        self._dead, self._alike, self._to_try = 0, ("", 0), 0
        return reason
