"""What all engines share: one broker, one provider, topics of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks.engines.crew import ROOT, die_with_parent
from confluent_kafka import Consumer, TopicPartition
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.errors import UnavailableError
from pipeline.stream.admin import Admin, Topic


@dataclass(frozen=True)
class Stage:
    """A running broker and provider; `redis` is empty unless asked for."""

    bootstrap: str
    url: str
    redis: str
    out: Path

    def topics(self, partitions: int) -> tuple[str, str, str]:
        """A fresh input, output and dead-letter topic."""
        run = uuid.uuid4().hex[:8]
        source, target, graveyard = (f"{what}-{run}" for what in ("tickets", "sorted", "dead"))
        topics = [Topic(source, partitions, 1, {}), Topic(target, partitions, 1, {}), Topic(graveyard, 1, 1, {})]
        Admin({"bootstrap.servers": self.bootstrap}).create(topics)
        return source, target, graveyard

    def consumed(self, source: str, partitions: int) -> bool:
        """Whether the group of the topic's name has committed all of it."""
        onlooker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": source})
        try:
            parts = [TopicPartition(source, number) for number in range(partitions)]
            return all(
                part.offset >= onlooker.get_watermark_offsets(TopicPartition(source, part.partition), 10)[1]
                for part in onlooker.committed(parts, 10)
            )
        finally:
            onlooker.close()

    def provider(self, change: Mapping[str, object] | None = None) -> dict[str, float]:
        """Changes it, and tells what it has counted. Raises UnavailableError when it does not answer."""
        body = json.dumps(change).encode() if change is not None else None
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.url}/control", body), timeout=30) as response:
                return cast(dict[str, float], json.load(response))
        except OSError as error:
            raise UnavailableError(f"the provider of the comparison does not answer ({error}): run it again") from None


@contextmanager
def stage(out: Path, *, redis: bool) -> Iterator[Stage]:
    """Both in processes of their own, gone at the end."""
    services = {Service.KAFKA, Service.REDIS} if redis else {Service.KAFKA}
    with tempfile.TemporaryDirectory(prefix="engines-") as folder:
        program = [sys.executable, "-m", "benchmarks.engines.provider"]
        with (
            Stack.up(Path(folder) / "stack", Plan(frozenset(services)), tethered=True) as stack,
            subprocess.Popen(
                program, stdout=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=die_with_parent
            ) as provider,
        ):
            try:
                assert provider.stdout is not None
                url = provider.stdout.readline().strip()
                address = f"redis://127.0.0.1:{stack.redis.port}/0" if redis else ""
                yield Stage(str(stack.kafka.client()["bootstrap.servers"]), url, address, out)
            finally:
                provider.terminate()
