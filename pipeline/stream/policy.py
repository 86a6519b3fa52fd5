"""The numbers of the engine, and what they become in librdkafka's settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """How one engine works. The defaults were measured on Apache Kafka 4.3; most users change nothing."""

    concurrency: int = 1000
    """Records in `process` at once."""
    backlog: int = 5000
    """Records held: fetched and not yet committed. When it is reached, the partitions that hold more than their share
    are paused; the others may still fill theirs, so twice as many can be held while one partition is stuck."""
    backlog_bytes: int = 128 << 20
    """The same limit for the size of the keys and values held."""
    commit_interval: timedelta = timedelta(milliseconds=50)
    """Longest time a finished record waits for its transaction to begin, while commits are quick. The interval adapts
    below that (see `Cadence`)."""
    grace: timedelta = timedelta(seconds=10)
    """How long records in flight may go on at a stop or when their partition moves."""
    group_protocol: Literal["consumer", "classic"] = "consumer"
    """`consumer`: KIP-848; its session timeout is the broker's. `classic`: cooperative-sticky, for brokers before 4."""
    session_timeout: timedelta = timedelta(seconds=10)
    """Classic protocol only: after this long without a heartbeat the group gives the partitions to others."""
    transaction_timeout: timedelta = timedelta(seconds=10)
    """A transaction that does not end in this time is abandoned, here and by the broker."""
    start_timeout: timedelta = timedelta(seconds=15)
    """How long the first contact with the brokers may take."""
    window: int = 200_000
    """Offsets from the first unfinished record of a partition to the last one fetched; more pauses the partition."""
    metadata_soft_limit: int = 3000
    """Characters of commit metadata at which a partition is paused; the broker refuses more than 4,095."""

    @property
    def patience(self) -> timedelta:
        """How long partitions that move may be drained: the grace, then a commit that may have to build a producer."""
        return self.grace + 2 * self.transaction_timeout

    def __post_init__(self) -> None:
        """Raises ValueError when a number makes no sense."""
        if self.concurrency < 1 or self.backlog < 1 or self.window < 1:
            raise ValueError("concurrency, backlog and window are at least 1")


# Quick to find a broker again: the library's own default waits up to 10 s between attempts.
_RECONNECT: Mapping[str, int] = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}

_MARGIN = timedelta(seconds=15)
"""What a callback may take beyond its patience on a machine that is busy."""


def member_settings(client: Mapping[str, str], group: str, policy: EnginePolicy) -> dict[str, str | int | bool]:
    """librdkafka's settings of the consumer that is in the group; `client` is what all of the cluster share."""
    membership: dict[str, str | int | bool] = {"group.protocol": policy.group_protocol}
    if policy.group_protocol == "classic":
        session = _milliseconds(policy.session_timeout)
        membership |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session,
            "heartbeat.interval.ms": max(100, session // 6),
        }
    return {
        **_RECONNECT,
        **client,
        **membership,
        "group.id": group,
        # The group waits so long for a member to give partitions back (KIP-848), and five minutes by default: a word of
        # it that got lost while brokers were away held up 12 partitions of a campaign. Callbacks end within `patience`.
        "max.poll.interval.ms": _milliseconds(policy.patience + _MARGIN),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Committed offsets that are pending in an open transaction are waited for.
        "isolation.level": "read_committed",
        # It fetches nothing but what is on its way when its partitions are paused: let that be little.
        "queued.max.messages.kbytes": 1,
        "max.partition.fetch.bytes": 1,
    }


def fetcher_settings(client: Mapping[str, str], group: str) -> dict[str, str | int | bool]:
    """librdkafka's settings of the consumer that fetches; it only bears the group's name."""
    return {
        **_RECONNECT,
        "fetch.error.backoff.ms": 100,
        # Small prefetch: memory stays flat.
        "queued.max.messages.kbytes": 8192,
        "fetch.queue.backoff.ms": 20,
        # A trickle is fetched in small lots: at 1,000 records a second half the CPU of one fetch for each record.
        "fetch.min.bytes": 16_384,
        "fetch.wait.max.ms": 25,
        **client,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def producer_settings(
    client: Mapping[str, str], transactional_id: str, policy: EnginePolicy
) -> dict[str, str | int | bool]:
    """librdkafka's settings of the transactional producer; `client` is what all of the cluster share."""
    return {
        **_RECONNECT,
        # A commit right behind another one is told to try again: the default back-off would add 100 ms.
        "retry.backoff.ms": 10,
        "retry.backoff.max.ms": 100,
        "linger.ms": 0,
        # Java's: otherwise a key stands in another partition than where its other publishers put it.
        "partitioner": "murmur2_random",
        **client,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": _milliseconds(policy.transaction_timeout),
        "delivery.report.only.error": True,
    }


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
