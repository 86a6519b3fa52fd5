"""A cluster's topics, rights and groups: described, compared, created; nothing is ever deleted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from pipeline.errors import UnavailableError
from pipeline.stream.failures import SILENT, Complaints
from pipeline.stream.kafka import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    TopicCollection,
    TopicPartition,
    UserScramCredentialUpsertion,
)

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
_Part = tuple[str, int]

_ELECTING: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError._WAIT_COORD,
    }
)
_SCRAM_ROUNDS: Final = 8192
"""Iterations of SCRAM's key derivation: the broker's minimum is 4,096."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as wanted or as found. Of a wanted one, settings that `config` does not name are the broker's."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is other than wanted: `setting` is "topic", "partitions", "replication" or the name of a config.

    `found` is None when the topic does not exist.
    """

    topic: str
    setting: str
    wanted: str
    found: str | None


class Right(StrEnum):
    """What a user may do; each is all that a client of that kind needs on the named thing."""

    READ = "read"
    """Consume a topic, or be a member of a group."""
    WRITE = "write"
    """Produce to a topic, or use a transactional id."""


class Thing(StrEnum):
    """What a right is for."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional_id"


@dataclass(frozen=True, slots=True)
class Grant:
    """`user` may do `right` with the `thing` called `name`; with all whose names start so when `prefix`."""

    user: str
    right: Right
    thing: Thing
    name: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """One partition of a group. `committed` is None before the first commit; `records` counts markers as records."""

    topic: str
    partition: int
    committed: int | None
    end: int

    @property
    def records(self) -> int:
        """How far behind; of a partition without a commit all that it holds up to its end offset."""
        return self.end - (self.committed or 0)


class Admin:
    """One connection to a cluster. Raises UnavailableError when it cannot be reached, UsageError when it may not."""

    def __init__(self, client: Mapping[str, str], timeout: float = 15.0) -> None:
        """`timeout`: seconds for each request."""
        self._complaints = Complaints(client)
        self._client = dict(client)
        self._onlookers: dict[str, Consumer] = {}
        self._timeout = timeout
        config: dict[str, Any] = {"log_level": 0, **client, "error_cb": self._complaints}
        self._admin = AdminClient(config, logger=SILENT)
        self._connected = False

    def brokers(self) -> int:
        """How many brokers the cluster has."""
        with self._doing("looking at the cluster"):
            return len(self._admin.list_topics(timeout=self._timeout).brokers)

    def cluster_id(self) -> str:
        """What the cluster calls itself: the same for as long as it lives."""
        with self._doing("looking at the cluster"):
            return str(self._admin.list_topics(timeout=self._timeout).cluster_id)

    def topic_ids(self, names: Sequence[str]) -> dict[str, str]:
        """Topic to its id, which is another one when a topic was deleted and made anew."""
        with self._doing("looking at topics"):
            asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=self._timeout)
            return {name: str(described.topic_id) for name, described in self._all(asked).items()}

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        """The topics of these names that exist (all but internal ones when None), with their effective settings."""
        with self._doing("looking at topics"):
            metadata = self._admin.list_topics(timeout=self._timeout).topics
            chosen = {name for name in metadata if not name.startswith("__")} if names is None else set(names)
            found = {name: topic for name, topic in metadata.items() if name in chosen and topic.error is None}
            resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in found]
            configs = self._all(self._admin.describe_configs(resources, request_timeout=self._timeout)) if found else {}
        effective = {resource.name: entries for resource, entries in configs.items()}
        return {
            name: Topic(
                name,
                len(topic.partitions),
                min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
                {setting: str(entry.value) for setting, entry in effective[name].items()},
            )
            for name, topic in found.items()
        }

    def compare(self, wanted: Sequence[Topic]) -> list[Difference]:
        """What the cluster has other than wanted, topic by topic."""
        found = self.topics(topic.name for topic in wanted)
        return [difference for topic in wanted for difference in differences(topic, found.get(topic.name))]

    def create(self, wanted: Sequence[Topic]) -> list[str]:
        """Creates those that do not exist, as wanted; returns their names. Those that exist stay as they are."""
        if not wanted:
            return []
        new = [NewTopic(t.name, t.partitions, t.replication, config=dict(t.config)) for t in wanted]
        created = []
        with self._doing("creating topics"):
            for name, future in self._admin.create_topics(new, request_timeout=self._timeout).items():
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                else:
                    created.append(name)
            self._await(created)
        return created

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """Sets these of a topic's settings and no others; brokers show them a moment later."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        with self._doing(f"configuring {topic}"):
            self._all(self._admin.incremental_alter_configs([resource], request_timeout=self._timeout))

    def grants(self) -> set[Grant]:
        """The rights given on the cluster; those that `Grant` cannot say are left out."""
        # The library takes None for "any"; its types do not say so.
        anyone: Any = None
        anything = AclBindingFilter(
            ResourceType.ANY,
            anyone,
            ResourcePatternType.ANY,
            anyone,
            anyone,
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )
        with self._doing("looking at rights"):
            bindings = self._admin.describe_acls(anything, request_timeout=self._timeout).result()
        return {grant for binding in bindings if (grant := _grant(binding)) is not None}

    def allow(self, grants: Iterable[Grant]) -> None:
        """Gives these rights; those given already stay."""
        bindings = [_binding(grant) for grant in grants]
        if bindings:
            with self._doing("giving rights"):
                self._all(self._admin.create_acls(bindings, request_timeout=self._timeout))

    def set_password(self, user: str, password: str) -> None:
        """Makes the user, or gives it another password, for SCRAM-SHA-512."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ROUNDS)
        change = UserScramCredentialUpsertion(user, credential, password.encode())
        with self._doing("making a user"):
            self._all(self._admin.alter_user_scram_credentials([change], request_timeout=self._timeout))

    def ends(self, topics: Iterable[str]) -> dict[_Part, int]:
        """(topic, partition) to the offset up to which a read-committed reader may read now."""
        with self._doing("looking at offsets"):
            metadata = self._admin.list_topics(timeout=self._timeout).topics
            asked = {
                TopicPartition(topic, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
                for topic in topics
                if topic in metadata
                for partition in metadata[topic].partitions
            }
            if not asked:
                return {}
            committed = IsolationLevel.READ_COMMITTED
            answers = self._all(
                self._admin.list_offsets(asked, isolation_level=committed, request_timeout=self._timeout)
            )
        return {(part.topic, part.partition): answer.offset for part, answer in answers.items()}

    def lag(self, group: str, topics: Iterable[str]) -> list[Lag]:
        """How far the group is behind on each partition of `topics`."""
        ends = self.ends(topics)
        with self._doing(f"looking at group {group}"):
            answer = self._committed(group, [TopicPartition(*part) for part in ends])
        committed = {(part.topic, part.partition): part.offset for part in answer}
        return [
            Lag(*part, committed[part] if committed.get(part, -1) >= 0 else None, end)
            for part, end in sorted(ends.items())
        ]

    def _committed(self, group: str, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """What the group committed; waits while its coordinator is elected."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return self._onlooker(group).committed(partitions, timeout=self._timeout)
            except KafkaException as error:
                if error.args[0].code() not in _ELECTING or time.monotonic() > deadline:
                    raise
                self._admin.poll(0.05)

    def _onlooker(self, group: str) -> Consumer:
        """A consumer that names the group and never joins it.

        The admin client's own look-up crashes the process when the group's coordinator moves or is not yet elected
        (librdkafka 2.16: it refreshes a consumer group that an admin client does not have).
        """
        if group not in self._onlookers:
            # Otherwise the end of an open transaction with its offsets is waited for: 10 s of a killed worker's.
            settings = {"isolation.level": "read_uncommitted", "log_level": 0, **self._client, "group.id": group}
            self._onlookers[group] = Consumer(settings, logger=SILENT)
        return self._onlookers[group]

    def _await(self, names: Sequence[str]) -> None:
        """A topic just made is not known to a broker at once: what follows would fail."""
        deadline = time.monotonic() + self._timeout
        while missing := set(names) - self._admin.list_topics(timeout=self._timeout).topics.keys():
            if time.monotonic() > deadline:
                raise UnavailableError(f"Kafka does not tell of topics that it made: {', '.join(sorted(missing))}")
            self._admin.poll(0.02)

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        try:
            if not self._connected:
                self._complaints.topics(self._admin, timeout=self._timeout)
                self._connected = True
            yield
        except KafkaException as error:
            self._complaints.heard_by(self._admin)
            raise self._complaints.failure(error, what) from None

    @staticmethod
    def _all(futures: Mapping[_Key, Future[_Result]]) -> dict[_Key, _Result]:
        return {key: future.result() for key, future in futures.items()}


def differences(wanted: Topic, found: Topic | None) -> list[Difference]:
    """What of `wanted` is other than `found`."""
    if found is None:
        return [Difference(wanted.name, "topic", "exists", None)]
    pairs = {
        "partitions": (str(wanted.partitions), str(found.partitions)),
        "replication": (str(wanted.replication), str(found.replication)),
        **{name: (value, found.config.get(name)) for name, value in wanted.config.items()},
    }
    return [Difference(wanted.name, name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]


_TYPES: Final = {
    Thing.TOPIC: ResourceType.TOPIC,
    Thing.GROUP: ResourceType.GROUP,
    Thing.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS: Final = {Right.READ: AclOperation.READ, Right.WRITE: AclOperation.WRITE}
_THINGS: Final[Mapping[object, Thing]] = {kind: thing for thing, kind in _TYPES.items()}
_RIGHTS: Final[Mapping[object, Right]] = {operation: right for right, operation in _OPERATIONS.items()}


def _binding(grant: Grant) -> AclBinding:
    return AclBinding(
        _TYPES[grant.thing],
        grant.name,
        ResourcePatternType.PREFIXED if grant.prefix else ResourcePatternType.LITERAL,
        f"User:{grant.user}",
        "*",
        _OPERATIONS[grant.right],
        AclPermissionType.ALLOW,
    )


def _grant(binding: AclBinding) -> Grant | None:
    thing, right = _THINGS.get(binding.restype), _RIGHTS.get(binding.operation)
    if thing is None or right is None or binding.host != "*" or not binding.principal.startswith("User:"):
        return None
    prefix = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    return Grant(binding.principal.removeprefix("User:"), right, thing, binding.name, prefix)
