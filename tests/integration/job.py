"""The main job as its users run it: the console script, in processes of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

COMMAND = str(Path(sys.executable).parent / "pipeline")


@dataclass(frozen=True)
class Job:
    """Runs commands against one stack."""

    environment: Mapping[str, str]

    def command(self, *arguments: str, given: str | None = None, timeout: float = 120) -> str:
        """Standard output of a command that must succeed."""
        done = self.attempt(*arguments, given=given, timeout=timeout)
        assert done.returncode == 0, f"pipeline {' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout

    def attempt(
        self, *arguments: str, given: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """A command, whatever it ends with."""
        return subprocess.run(
            [COMMAND, *arguments], env=self.environment, input=given, capture_output=True, text=True, timeout=timeout
        )

    def provision(self) -> None:
        """The catalogue's topics and schemas."""
        self.command("topics", "apply")
        self.command("schemas", "register")

    def publish(self, topic: str, rows: Sequence[Mapping[str, object]], *options: str) -> None:
        """Rows as a publisher sends them."""
        self.command("publish", topic, "-", *options, given="\n".join(json.dumps(row) for row in rows))

    def consume(self, topic: str) -> list[dict[str, object]]:
        """Every committed record of a topic, decoded: topic, partition, offset, timestamp, key, headers, value."""
        lines = self.command("consume", topic, "--json").splitlines()
        return [cast(dict[str, object], json.loads(line)) for line in lines]

    def values(self, topic: str, wanted: str) -> list[dict[str, object]]:
        """The values of a topic whose ticket or claim id begins with `wanted`."""
        rows = [cast(dict[str, object], row["value"]) for row in self.consume(topic)]
        return [row for row in rows if any(str(row.get(name, "")).startswith(wanted) for name in ID_FIELDS)]

    def worker(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """A worker in the background; its log goes to a file."""
        with log.open("ab") as out:
            return subprocess.Popen([COMMAND, "run", *arguments], env=self.environment, stdout=out, stderr=out)


ID_FIELDS = ("ticket_id", "claim_id", "entity_id")


def end(worker: subprocess.Popen[bytes], timeout: float = 30) -> int:
    """Asks a worker to stop and waits for it."""
    worker.send_signal(signal.SIGTERM)
    return worker.wait(timeout)
