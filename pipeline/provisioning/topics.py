"""The catalogue's topics on a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalogue import Catalogue, TopicSpec
from pipeline.stream.admin import Admin, Difference, Topic

_MIN_ISR = "min.insync.replicas"


@dataclass(frozen=True)
class TopicPlan:
    """What the cluster lacks (`missing`), has otherwise (`drift`), and is too small for (`capped`, in words)."""

    wanted: tuple[Topic, ...]
    missing: tuple[Topic, ...]
    drift: tuple[Difference, ...]
    capped: str


def plan_topics(catalogue: Catalogue, admin: Admin) -> TopicPlan:
    """Compares. Raises UnavailableError when the cluster cannot be reached."""
    brokers = admin.brokers()
    wanted = wanted_topics(catalogue, brokers)
    found = admin.compare(wanted)
    absent = {difference.topic for difference in found if difference.found is None and difference.setting == "topic"}
    return TopicPlan(
        wanted,
        tuple(topic for topic in wanted if topic.name in absent),
        tuple(difference for difference in found if difference.topic not in absent),
        _capped(catalogue, brokers),
    )


def create_topics(plan: TopicPlan, admin: Admin) -> list[str]:
    """Creates what is missing; returns the names. What is there stays as it is."""
    return sorted(admin.create(plan.missing))


def wanted_topics(catalogue: Catalogue, brokers: int) -> tuple[Topic, ...]:
    """The topics as a cluster of so many brokers can have them."""
    return tuple(_topic(spec, brokers) for _, spec in sorted(catalogue.topics.items()))


def _topic(spec: TopicSpec, brokers: int) -> Topic:
    replication = min(spec.replication, brokers)
    config = {name: _text(value) for name, value in spec.config.items()}
    if _MIN_ISR in config:
        # As many as may be lost without a stop of writes: with all of them required, one broker's restart stops all.
        config[_MIN_ISR] = str(min(int(config[_MIN_ISR]), max(1, replication - 1)))
    return Topic(spec.topic, spec.partitions, replication, config)


def _text(value: str | int | float | bool) -> str:
    """As the broker writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _capped(catalogue: Catalogue, brokers: int) -> str:
    wanted = max(spec.replication for spec in catalogue.topics.values())
    if wanted <= brokers:
        return ""
    return (
        f"the cluster has {brokers} of the {wanted} brokers that the catalogue asks for: "
        f"replication is capped to {brokers}, {_MIN_ISR} to {max(1, brokers - 1)}"
    )
