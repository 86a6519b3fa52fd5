"""Apache Kafka, the real one: a cluster of one or more KRaft nodes, each broker and controller at once."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.devstack import packages
from pipeline.devstack.java import ENVIRONMENT, java
from pipeline.devstack.packages import Progress
from pipeline.devstack.ports import Ports
from pipeline.devstack.process import Process
from pipeline.devstack.server import Server
from pipeline.errors import UnavailableError
from pipeline.stream.kafka import AdminClient, KafkaException

ADMIN: Final = "admin"
"""The super user of a cluster with SASL."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where one node listens."""

    number: int
    port: int
    controller_port: int


@dataclass(frozen=True)
class Layout:
    """What all nodes of a cluster agree on. Kept beside the data: the next start finds the same cluster."""

    cluster_id: str
    nodes: tuple[Node, ...]
    admin_password: str
    """Empty: a cluster without SASL."""

    @property
    def bootstrap_servers(self) -> str:
        """All brokers' addresses."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def client(self) -> dict[str, str]:
        """librdkafka settings of a client that may do everything. Holds the password with SASL: never log it."""
        found = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": "PLAINTEXT"}
        if self.admin_password:
            found |= {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": ADMIN,
                "sasl.password": self.admin_password,
            }
        return found


class Kafka:
    """The cluster: its life as a whole; `brokers` for the life of each."""

    def __init__(self, folder: Path, run: Path, ports: Ports, *, brokers: int = 1, sasl: bool = False) -> None:
        self.name = "kafka" + ("-sasl" if sasl else "") + (f"-{brokers}" if brokers > 1 else "")
        self.folder = folder / self.name
        names = _names(brokers)
        running = any(Process(name, run).alive() for name in names)
        self.layout = _layout(self.folder, ports.of(self.name, 2 * brokers, running=running), sasl)
        self.brokers = tuple(Broker(self.layout, node, self.folder, run) for node in self.layout.nodes)

    @property
    def bootstrap_servers(self) -> str:
        """All brokers' addresses."""
        return self.layout.bootstrap_servers

    def client(self) -> dict[str, str]:
        """librdkafka settings of a client that may do everything."""
        return self.layout.client()

    def settings(self) -> Mapping[str, object]:
        """What the pipeline must be told to use it."""
        found: dict[str, object] = {"bootstrap_servers": self.bootstrap_servers}
        if self.layout.admin_password:
            found |= {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": ADMIN,
                "sasl_password": self.layout.admin_password,
            }
        return {"kafka": found}

    def servers(self) -> Sequence[Server]:
        """All brokers."""
        return self.brokers

    def prepare(self, progress: Progress) -> None:
        """Gets the jars and formats what is not formatted yet."""
        for broker in self.brokers:
            broker.prepare(progress)

    def start(self) -> None:
        """Starts all brokers and waits until all serve."""
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.await_ready()

    def stop(self) -> None:
        """Ends all brokers in their own good order, together: the last one alone would wait for a majority."""
        for broker in self.brokers:
            broker.process.send(broker.farewell)
        for broker in self.brokers:
            broker.stop()

    def kill(self) -> None:
        """Ends all brokers at once, as a power cut would."""
        for broker in self.brokers:
            broker.kill()

    def freeze(self) -> None:
        """Takes all brokers off the processor while their connections stay."""
        for broker in self.brokers:
            broker.freeze()

    def thaw(self) -> None:
        """Lets all brokers go on."""
        for broker in self.brokers:
            broker.thaw()


class Broker(Server):
    """One node of the cluster."""

    title = "Apache Kafka"
    grace = 5.0

    def __init__(self, layout: Layout, node: Node, folder: Path, run: Path) -> None:
        name = _names(len(layout.nodes))[node.number - 1]
        super().__init__(name, folder / str(node.number), run, node.port)
        self.layout = layout
        self.node = node
        self._properties = self.folder / "server.properties"
        self._logging = self.folder / "log4j2.properties"
        self._jars = Path()

    def prepare(self, progress: Progress) -> None:
        """Gets the jars, writes the configuration, formats the data folder when it is new."""
        self._jars = packages.KAFKA.folder(progress)
        super().prepare(progress)
        self._logging.write_text(_LOGGING, encoding="utf-8")
        self._properties.touch(mode=0o600)
        self._properties.write_text(properties(self.layout, self.node, self.folder / "data"), encoding="utf-8")
        formatted = self.folder / "formatted"
        if not formatted.exists():
            # What an interrupted attempt left would be taken for a whole one.
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            self._format()
            formatted.touch()

    def command(self) -> Sequence[str]:
        return [*self._java(512), "kafka.Kafka", str(self._properties)]

    def environment(self) -> Mapping[str, str]:
        return ENVIRONMENT

    def ready(self, within: float) -> bool:
        """It serves when it knows all brokers of the cluster, itself among them."""
        quick: dict[str, str | int | float | bool] = {
            "bootstrap.servers": f"127.0.0.1:{self.port}",
            "reconnect.backoff.max.ms": "100",
            "log_level": "0",
        }
        try:
            metadata = AdminClient({**self.layout.client(), **quick}).list_topics(timeout=within)
        except KafkaException:
            return False
        return len(metadata.brokers) == len(self.layout.nodes)

    def settings(self) -> Mapping[str, object]:
        return {}

    def _format(self) -> None:
        program = [*self._java(128), "kafka.tools.StorageTool", "format"]
        program += ["-t", self.layout.cluster_id, "-c", str(self._properties)]
        if self.layout.admin_password:
            program += ["--add-scram", f"SCRAM-SHA-512=[name={ADMIN},password={self.layout.admin_password}]"]
        done = subprocess.run(program, env=dict(ENVIRONMENT), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
            raise UnavailableError(f"Apache Kafka's storage could not be made: {said[0]}")

    def _java(self, megabytes: int) -> list[str]:
        return [*java(megabytes), f"-Dlog4j2.configurationFile={self._logging}", "-cp", f"{self._jars}/*"]


def properties(layout: Layout, node: Node, data: Path) -> str:
    """The server.properties of `node`.

    Times are short (a member is gone after 6 s) so that faults are seen and mended within a test. A killed broker is
    let in again when its session has ended: a single one's is the shortest (ready again after 3 s; 5 with 3,000 ms).
    Internal topics are small because a laptop has one disk; topics are made by `pipeline topics apply` alone.
    """
    copies = min(3, len(layout.nodes))
    in_sync = 2 if copies == 3 else 1
    found = {
        "process.roles": "broker,controller",
        "node.id": node.number,
        "controller.quorum.voters": ",".join(
            f"{other.number}@127.0.0.1:{other.controller_port}" for other in layout.nodes
        ),
        "listeners": f"CLIENT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 8,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "group.consumer.session.timeout.ms": 6000,
        "group.consumer.min.session.timeout.ms": 1000,
        "group.consumer.heartbeat.interval.ms": 1000,
        "group.consumer.min.heartbeat.interval.ms": 500,
        "group.min.session.timeout.ms": 1000,
        "broker.session.timeout.ms": 3000 if copies > 1 else 1000,
        "broker.heartbeat.interval.ms": 500 if copies > 1 else 200,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4 << 20,
        "log.segment.bytes": 256 << 20,
        "log.retention.hours": 168,
    }
    return "".join(f"{name}={value}\n" for name, value in (found | _security(layout)).items())


def _security(layout: Layout) -> dict[str, object]:
    if not layout.admin_password:
        return {"listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT"}
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    me = f'username="{ADMIN}" password="{layout.admin_password}"'
    known = f'user_{ADMIN}="{layout.admin_password}"'
    return {
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        # SCRAM's credentials live in the log that the controllers keep: among themselves they need another way in.
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{scram} required {me};",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": f"{plain} required {me} {known};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{ADMIN}",
    }


def _layout(folder: Path, ports: Sequence[int], sasl: bool) -> Layout:
    """The layout whose identity and password are kept in `folder`."""
    file = folder / "cluster.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {
            "cluster_id": new_cluster_id(),
            "admin_password": secrets.token_urlsafe(24) if sasl else "",
        }
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(json.dumps(kept), encoding="utf-8")
    nodes = tuple(Node(n, *pair) for n, pair in enumerate(zip(ports[::2], ports[1::2], strict=True), start=1))
    return Layout(kept["cluster_id"], nodes, kept["admin_password"])


def new_cluster_id() -> str:
    """A random one in Kafka's form; never with a dash in front, which Kafka's tools take for an option."""
    first, *rest = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes((first & 0x7F, *rest))).decode().rstrip("=")


def _names(brokers: int) -> list[str]:
    return ["kafka"] if brokers == 1 else [f"kafka-{number}" for number in range(1, brokers + 1)]


_LOGGING: Final = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
