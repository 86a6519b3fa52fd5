"""When the next transaction begins: soon, but not so often that commits are all the broker does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CadencePolicy:
    """Times in seconds."""

    longest: float = 0.050
    """The interval between two beginnings never grows past this, unless a commit itself takes longer."""
    shortest: float = 0.010
    share: float = 0.5
    """The part of the time that may be spent inside commits: the interval is the usual commit time divided by it."""
    first_retry: float = 0.010
    longest_retry: float = 1.0
    """Back-off after a transaction that failed; doubles from the one to the other."""


class Cadence:
    """Decides when a transaction may begin. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, policy: CadencePolicy) -> None:
        self._policy = policy
        self._usual = 0.0
        self._began = float("-inf")
        self._not_before = float("-inf")
        self._failures = 0

    @property
    def interval(self) -> float:
        """Seconds between two beginnings at present."""
        wanted = self._usual / self._policy.share
        return min(self._policy.longest, max(self._policy.shortest, wanted))

    def due(self, *, hurry: bool = False) -> float:
        """The time from which the next transaction may begin; in a hurry only a failure makes it wait."""
        return self._not_before if hurry else max(self._began + self.interval, self._not_before)

    def began(self, now: float) -> None:
        """Notes that a transaction begins."""
        self._began = now

    def committed(self, now: float) -> None:
        """Notes that it was committed; its time counts a fifth in the usual time, so that one slow commit passes."""
        took = now - self._began
        self._usual = took if self._usual == 0.0 else 0.8 * self._usual + 0.2 * took
        self._failures = 0
        self._not_before = float("-inf")

    def failed(self, now: float) -> None:
        """Notes that it was not: the next one waits, longer each time."""
        retry = self._policy.first_retry * 2.0 ** min(self._failures, 20)
        self._failures += 1
        self._not_before = now + min(self._policy.longest_retry, retry)
