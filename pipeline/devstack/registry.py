"""Apicurio Registry: speaks the Confluent registry's API; schemas survive a kill."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.devstack import packages
from pipeline.devstack.java import ENVIRONMENT, java
from pipeline.devstack.packages import Progress
from pipeline.devstack.server import Server


class Registry(Server):
    """One registry over a file of its own."""

    title = "the schema registry"

    def __init__(self, folder: Path, run: Path, port: int, management_port: int) -> None:
        super().__init__("registry", folder, run, port)
        self._management_port = management_port
        self._jars = Path()

    def prepare(self, progress: Progress) -> None:
        super().prepare(progress)
        self._jars = packages.REGISTRY.folder(progress)

    def command(self) -> Sequence[str]:
        # WRITE_DELAY=0: otherwise a kill loses schemas that were acknowledged and gives their ids out again (measured).
        database = f"jdbc:h2:file:{self.folder / 'schemas'};WRITE_DELAY=0"
        return [
            *java(192),
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.management.host=127.0.0.1",
            f"-Dquarkus.management.port={self._management_port}",
            "-Dquarkus.log.level=WARN",
            "-Dquarkus.banner.enabled=false",
            f"-Dapicurio.datasource.url={database}",
            "-Dapicurio.rules.global.compatibility=BACKWARD_TRANSITIVE",
            "-jar",
            str(self._jars / "quarkus-run.jar"),
        ]

    def environment(self) -> Mapping[str, str]:
        return ENVIRONMENT

    def ready(self, within: float) -> bool:
        return answers(self._management_port, "/health/ready", within)

    def settings(self) -> Mapping[str, object]:
        return {"registry": {"url": f"http://127.0.0.1:{self.port}/apis/ccompat/v7"}}


def answers(port: int, path: str, within: float) -> bool:
    """Whether a GET of `path` on this machine is answered with 200 within so many seconds; no proxy is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
