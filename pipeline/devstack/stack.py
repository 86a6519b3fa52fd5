"""The embedded stack: which servers run, where, and what the pipeline must be told to use them."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from pipeline.devstack import state
from pipeline.devstack.kafka import Kafka
from pipeline.devstack.packages import Progress
from pipeline.devstack.ports import Ports
from pipeline.devstack.postgres import Postgres
from pipeline.devstack.process import Process
from pipeline.devstack.redis import Redis
from pipeline.devstack.registry import Registry
from pipeline.devstack.server import Server
from pipeline.devstack.simulator import Simulator
from pipeline.devstack.state import Running, State
from pipeline.devstack.tether import Tether
from pipeline.errors import UnavailableError, UsageError


class Service(StrEnum):
    """What the stack can run."""

    KAFKA = "kafka"
    REGISTRY = "registry"
    SIMULATOR = "simulator"
    REDIS = "redis"
    POSTGRES = "postgres"


DEFAULT: Final = frozenset({Service.KAFKA, Service.REGISTRY, Service.SIMULATOR})


class Part(Protocol):
    """What a server and a cluster of them have in common."""

    def servers(self) -> Sequence[Server]: ...
    def prepare(self, progress: Progress) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def settings(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    services: frozenset[Service] = DEFAULT
    sasl: bool = False
    brokers: int = 1
    profile: str = "quiet"
    """The simulator's: a file, or a name it ships."""


class Stack:
    """Servers under one folder: `kafka`, `registry`, `simulator`, `redis`, `postgres` for the life of each.

    Leaving it as a context manager stops them. Data, ports and passwords stay in the folder for the next start.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        """The stack's parts, nothing started: use `up`."""
        run = folder / "run"
        ports = Ports(folder / "ports.json")

        def port(name: str) -> int:
            return ports.of(name, 1, running=Process(name.partition("-")[0], run).alive())[0]

        self.folder = folder
        self.plan = plan
        self.kafka = Kafka(folder, run, ports, brokers=plan.brokers, sasl=plan.sasl)
        self.registry = Registry(folder / "registry", run, port("registry"), port("registry-management"))
        self.simulator = Simulator(folder / "simulator", run, port("simulator"), plan.profile)
        self.redis = Redis(folder / "redis", run, port("redis"))
        self.postgres = Postgres(folder / "postgres", run, port("postgres"))
        self.begun: frozenset[Service] = frozenset()
        """What the call of `up` that made this had to start."""
        self._tether: Tether | None = None
        self._abandoned = threading.Event()

    @classmethod
    def up(
        cls,
        folder: Path,
        plan: Plan | None = None,
        *,
        tethered: bool = False,
        progress: Progress = lambda line: None,
    ) -> Stack:
        """Starts what `plan` asks for and does not run yet, and returns when all of it serves.

        Servers run on when this process ends, unless `tethered`: then they end with it, however it ends, and the
        folder goes with them. Raises UnavailableError when one of them does not start (those that this call started
        are ended then), UsageError when the folder's stack runs in another form.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        asked = plan or Plan()
        with state.alone(folder, progress):
            known = State.read(folder)
            if known is None or not known.alive(folder):
                # What an interrupted start, or a crash of the machine, left.
                state.end_all(folder)
                known = None
            elif (known.sasl, known.brokers) != (asked.sasl, asked.brokers):
                raise UsageError(f"the embedded stack runs {known.form}: run `pipeline dev down` first")
            stack = cls(folder, replace(asked, profile=known.profile) if known else asked)
            if tethered:
                stack._tether = Tether(folder)
            try:
                stack._start(progress)
            except BaseException:
                if stack._tether is not None:
                    stack._tether.release()
                raise
            return stack

    def down(self) -> None:
        """Stops all of it, within seconds."""
        if self._tether is None:
            state.down(self.folder)
        else:
            state.down(self.folder, wipe=True)
            self._tether.cut()

    def settings(self) -> Mapping[str, object]:
        """Nested settings of the pipeline for what was asked for. Holds secrets: never log it."""
        found: dict[str, object] = {"vault": {"keys": _vault_key(self.folder)}}
        for service in sorted(self.plan.services):
            found |= self._parts()[service].settings()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _parts(self) -> Mapping[Service, Part]:
        return {
            Service.KAFKA: self.kafka,
            Service.REGISTRY: self.registry,
            Service.SIMULATOR: self.simulator,
            Service.REDIS: self.redis,
            Service.POSTGRES: self.postgres,
        }

    def _start(self, progress: Progress) -> None:
        """Starts, together, what is asked for and does not run."""
        parts = self._parts()
        alive = {service for service, part in parts.items() if all(server.process.alive() for server in part.servers())}
        self.begun = self.plan.services - alive
        self.plan = replace(self.plan, services=self.plan.services | alive)

        def tell(line: str) -> None:
            if self._abandoned.is_set():
                raise UnavailableError("the start was given up")
            progress(line)

        def start(service: Service) -> None:
            parts[service].prepare(tell)
            tell(f"starting {service}")
            parts[service].start()
            tell(f"{service} is ready")

        with ThreadPoolExecutor(len(Service), thread_name_prefix="devstack") as pool:
            try:
                for future in as_completed([pool.submit(start, service) for service in sorted(self.begun)]):
                    future.result()
            except BaseException:
                # Threads that wait for a server see it end; those that download are stopped by `tell`.
                self._abandoned.set()
                self._stop_begun()
                raise
        self._state().write(self.folder)

    def _stop_begun(self) -> None:
        for service in self.begun:
            self._parts()[service].stop()

    def _state(self) -> State:
        servers = [server for service in sorted(self.plan.services) for server in self._parts()[service].servers()]
        services = {server.name: _running(server) for server in servers}
        return State(
            services[self.kafka.brokers[0].name].pid,
            self.settings(),
            services,
            self.plan.sasl,
            self.plan.brokers,
            self.plan.profile,
        )


def _running(server: Server) -> Running:
    identity = server.process.identity
    if identity is None:
        raise UnavailableError(f"{server.title} ended as soon as it served (log: {server.process.log})")
    return Running(identity.pid, server.port, server.process.since().isoformat(timespec="seconds"))


def _vault_key(folder: Path) -> str:
    """The key that seals originals, made once: what was sealed before a restart can be opened after it."""
    file = folder / "vault.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(f"dev1:{base64.b64encode(secrets.token_bytes(32)).decode()}", encoding="utf-8")
    return file.read_text(encoding="utf-8")
