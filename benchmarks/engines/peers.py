"""Who is compared: what each is, whose documentation its configuration follows, and how it is made ready to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines.errors import LeftOutError

HERE = Path(__file__).parent
_ADDRESS = re.compile(r"(reading )?https?://\S+ ?")
_BUILD_S = 720
"""After this long a build is given up."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Peer:
    """One engine of the comparison. `ready` makes what it runs on under a folder and returns its command."""

    name: str
    title: str
    version: str
    guarantee: str
    """What its documentation promises for this configuration."""
    ready: Callable[[Path, Progress], Sequence[str]]
    mode: str = "plain"
    scenarios: frozenset[str] = frozenset({"throughput", "slow_keys", "kills", "outage", "quota"})
    """What it is worth running in."""
    by_partition: bool = False
    """One call at a time in a process: as many processes are started as there are partitions."""

    def plays(self, scenario: str) -> bool:
        """Whether it is part of that scenario."""
        return scenario in self.scenarios

    def processes(self, partitions: int) -> int:
        """How many are started where one worker is asked for."""
        return partitions if self.by_partition else 1

    def places(self, concurrency: int, partitions: int) -> int:
        """How many calls it can have in flight."""
        return min(concurrency, partitions) if self.by_partition else concurrency


def _ours(_out: Path, _tell: Progress) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.engines.ours.worker"]


def _python(name: str) -> Callable[[Path, Progress], Sequence[str]]:
    """A worker.py with an environment of its own, made of the folder's requirements."""

    def ready(out: Path, tell: Progress) -> Sequence[str]:
        folder, room = HERE / name, out / name
        requirements = (folder / "requirements.txt").read_bytes()
        stamp = room / "installed.txt"
        if not stamp.exists() or stamp.read_bytes() != requirements:
            tell(f"{name}: installing")
            shutil.rmtree(room, ignore_errors=True)
            _do([sys.executable, "-m", "venv", str(room)], folder)
            _do([str(room / "bin/pip"), "install", "--quiet", "-r", str(folder / "requirements.txt")], folder)
            stamp.write_bytes(requirements)
        return [str(room / "bin/python"), str(folder / "worker.py")]

    return ready


def _parallel_consumer(out: Path, tell: Progress) -> Sequence[str]:
    folder, room = HERE / "parallel_consumer", out / "parallel_consumer"
    java, maven = _program("java", "Java 17"), _program("mvn", "Maven")
    jar = room / "worker.jar"
    sources = [folder / "pom.xml", *folder.rglob("*.java")]
    if not jar.exists() or jar.stat().st_mtime < max(one.stat().st_mtime for one in sources):
        tell("parallel_consumer: building with Maven")
        shutil.rmtree(room, ignore_errors=True)
        _do([maven, "-q", "-B", "package", f"-Doutput={room}"], folder)
    return [java, "-Xmx1g", "-cp", f"{jar}:{room / 'lib'}/*", "engines.Worker"]


def _redpanda_connect(out: Path, tell: Progress) -> Sequence[str]:
    folder, room = HERE / "redpanda_connect", out / "redpanda_connect"
    go, program = _program("go", "Go"), room / "connect"
    if not program.exists():
        tell("redpanda_connect: building with Go")
        room.mkdir(parents=True, exist_ok=True)
        for file in ("go.mod", "main.go"):
            shutil.copy(folder / file, room / file)
        _do([go, "mod", "tidy"], room, {"GOFLAGS": "-mod=mod"})
        _do([go, "build", "-p", "2", "-o", str(program), "."], room)
    return [str(program), "run", str(folder / "connect.yaml")]


def _program(name: str, title: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LeftOutError(f"{title} is not installed")
    return found


def _do(command: Sequence[str], folder: Path, more: dict[str, str] | None = None) -> None:
    """Raises LeftOutError with the last line it wrote that tells something."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(more or {})},
            capture_output=True,
            text=True,
            timeout=_BUILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LeftOutError(f"{Path(command[0]).name} {command[1]} took longer than {_BUILD_S} s") from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = next(
            (line for line in reversed(said) if "rror" in line or "orbidden" in line), (said or ["no reason"])[-1]
        )
        raise LeftOutError(f"{Path(command[0]).name} {command[1]} failed: {_ADDRESS.sub('', why)[:300]}")


PEERS = (
    Peer("ours", "this engine", "", "exactly once, in key order", _ours),
    Peer(
        "ours_gateway",
        "this engine with its gateway",
        "",
        "exactly once, in key order",
        _ours,
        mode="gateway",
        scenarios=frozenset({"outage", "quota"}),
    ),
    Peer("plain_loop", "confluent-kafka and a thread pool", "2.16.0", "at least once", _python("plain_loop")),
    Peer("faststream_aiokafka", "FastStream, max_workers", "0.7.8", "at most once", _python("faststream_aiokafka")),
    Peer(
        "quix_streams",
        "Quix Streams, a process for each partition",
        "3.28.1",
        "exactly once, in order",
        _python("quix_streams"),
        by_partition=True,
    ),
    Peer("arroyo_threads", "arroyo, RunTaskInThreads", "2.48.0", "at least once", _python("arroyo_threads")),
    Peer("faust_streaming", "Faust, agent with concurrency", "0.15.3", "at least once", _python("faust_streaming")),
    Peer(
        "parallel_consumer",
        "Confluent Parallel Consumer",
        "0.5.3.3",
        "at least once, in key order",
        _parallel_consumer,
    ),
    Peer(
        "parallel_consumer_eos",
        "Confluent Parallel Consumer, transactional",
        "0.5.3.3",
        "exactly once, in key order",
        _parallel_consumer,
        mode="exactly_once",
    ),
    Peer("redpanda_connect", "Redpanda Connect", "4.60.0", "at least once", _redpanda_connect),
)
