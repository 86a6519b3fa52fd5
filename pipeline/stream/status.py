"""What an engine says of itself."""

from dataclasses import dataclass
from enum import StrEnum


class EngineState(StrEnum):
    """Where an engine is in its life."""

    STARTING = "starting"
    """Reaching the brokers, joining the group."""
    RUNNING = "running"
    PAUSED = "paused"
    """A member, but takes no new records until it is told to."""
    STOPPING = "stopping"
    """Records in flight end, then it leaves."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A moment of an engine. Counts are since its start; times are of `time.monotonic`."""

    state: EngineState
    in_flight: int
    """Records in `process`."""
    waiting: int
    """Records fetched that wait for their key's turn or a free place."""
    uncommitted: int
    """Records finished that wait for their transaction."""
    partitions: int
    """Assigned and taking part."""
    resolving: int
    """Assigned, but waiting until another worker's open transaction ends."""
    lag: int
    """Offsets from the first unfinished record to the end, over all partitions, as far as is known."""
    oldest_waiting_s: float
    """Age of the oldest record fetched and not finished, in seconds; 0 when there is none."""
    records_committed: int
    outputs_committed: int
    transactions: int
    """Committed ones."""
    aborted: int
    rebuilds: int
    """Producers that were given up and built again."""
    repeated: int
    """Records in flight when their partition was taken away: processed again by its next owner."""
    idle_since: float | None
    """Since when everything in all partitions is committed; None while anything is not."""
    paused_reason: str | None

    def idle_for(self, now: float) -> float:
        """Seconds since which everything is committed; 0 while anything is not. `now` is of `time.monotonic`."""
        return 0.0 if self.idle_since is None else max(0.0, now - self.idle_since)
