"""Who may do what, derived from the topics' producers and consumers.

What Kafka asks for (4.x, KIP-848 groups and transactions included):
    produce            WRITE on the topic; it implies DESCRIBE, and the idempotent producer's own right (KIP-679)
    consume            READ on the topic, READ on the group; both imply DESCRIBE, which heartbeats need
    transactions       WRITE on the transactional id; offsets in them need READ on group and input topic
A program's consumer groups begin with its principal's name. A worker's group is its principal's name, its
transactional ids begin with it and a dot. Whoever reads dead letters may send them again, under the replay's own id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.catalogue import REPLAY_ID, Catalogue, TopicSpec, group_of, second_chance_group
from pipeline.stream.admin import Grant, Right, Thing


def grants(catalogue: Catalogue, prefix: str = "") -> list[Grant]:
    """All rights, in a stable order. `prefix` stands before every principal, as clusters of several teams have it."""
    found: set[Grant] = set()
    for topic in catalogue.topics.values():
        found.update(_of_topic(topic, catalogue, prefix))
    for enrichment in catalogue.enrichments.values():
        worker = enrichment.group
        found.add(Grant(prefix + worker, Right.WRITE, Thing.TRANSACTIONAL_ID, f"{worker}.", prefix=True))
        if enrichment.spec.second_chance is not None:
            found.add(Grant(prefix + worker, Right.READ, Thing.GROUP, second_chance_group(enrichment.name)))
    return sorted(found, key=lambda grant: (grant.user, grant.thing, grant.name, grant.right))


def _of_topic(topic: TopicSpec, catalogue: Catalogue, prefix: str) -> Iterator[Grant]:
    workers = {enrichment.group for enrichment in catalogue.enrichments.values()}
    for producer in _principals(topic.producers, workers):
        yield Grant(prefix + producer, Right.WRITE, Thing.TOPIC, topic.topic)
    for consumer in _principals(topic.consumers, workers):
        yield Grant(prefix + consumer, Right.READ, Thing.TOPIC, topic.topic)
        yield Grant(prefix + consumer, Right.READ, Thing.GROUP, consumer, prefix=consumer not in workers)
        # A worker that gives dead letters their second chance does so in its own transactions.
        if topic.data_class == "sealed" and consumer not in workers:
            yield Grant(prefix + consumer, Right.WRITE, Thing.TRANSACTIONAL_ID, REPLAY_ID)


def _principals(names: Iterable[str], workers: Iterable[str]) -> set[str]:
    """The names themselves; `enrichment-*` is every enrichment's worker."""
    found = set(names)
    return (found - {group_of("*")}) | set(workers) if group_of("*") in found else found
