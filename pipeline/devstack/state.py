"""What runs in a stack's folder, written down for other processes; and the end of all of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from pipeline.devstack import postgres
from pipeline.devstack.process import Process

_FILE: Final = "state.json"


@dataclass(frozen=True, slots=True)
class Running:
    """One process of the stack. `started` is its start as ISO 8601 in UTC."""

    pid: int
    port: int
    started: str


@dataclass(frozen=True)
class State:
    """A stack that came up. `settings` holds secrets: the file is its owner's alone, and nothing of it is logged."""

    pid: int
    settings: Mapping[str, object] = field(repr=False)
    services: Mapping[str, Running]
    sasl: bool
    brokers: int
    profile: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The stack that `folder` tells of, whether its processes still run or not; None when it tells of none."""
        try:
            found: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            services = {name: Running(**running) for name, running in found.pop("services").items()}
            return cls(services=services, **found)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, folder: Path) -> None:
        """Tells of it in `folder`, all at once."""
        draft = folder / f"{_FILE}.draft"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        draft.rename(folder / _FILE)

    def alive(self, folder: Path) -> frozenset[str]:
        """Names of the processes that run."""
        return frozenset(name for name in self.services if process(folder, name).alive())

    @property
    def form(self) -> str:
        """What an existing stack cannot become without a restart, in words."""
        return f"with{'' if self.sasl else 'out'} SASL on {self.brokers} broker{'s' if self.brokers > 1 else ''}"


def variables(settings: Mapping[str, object], prefix: str = "PIPELINE_") -> dict[str, str]:
    """Nested settings as environment variables, in the form that the settings read."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= variables(value, f"{prefix}{name.upper()}__")
        else:
            found[f"{prefix}{name.upper()}"] = json.dumps(value) if isinstance(value, bool) else str(value)
    return found


def process(folder: Path, name: str) -> Process:
    """The process `name` of the stack in `folder`."""
    return Process(name, folder / "run")


def down(folder: Path, *, wipe: bool = False, progress: Callable[[str], None] = lambda line: None) -> list[str]:
    """Ends every process of the stack in `folder`, by the files that they wrote; returns which ran.

    `wipe` deletes what they stored: topics, schemas, ports, passwords and the vault's key; then none of them is given
    time to put it in order.
    """
    if not folder.is_dir():
        return []
    with alone(folder, progress):
        (folder / _FILE).unlink(missing_ok=True)
        ended = end_all(folder, 0.0 if wipe else _GRACE)
        if wipe:
            for entry in folder.iterdir():
                if entry.name == _LOCK:
                    continue
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            shutil.rmtree(postgres.home(folder / "postgres"), ignore_errors=True)
    return ended


_GRACE: Final = 5.0
"""Seconds that a server has to end by itself: Kafka takes 0.3, measured."""


def end_all(folder: Path, within: float = _GRACE) -> list[str]:
    """Ends every process that has an identity file in `folder`, together; returns the names of those that ran."""
    names = sorted(file.stem for file in (folder / "run").glob("*.pid"))
    if not names:
        return []
    with ThreadPoolExecutor(len(names)) as pool:
        ran = list(pool.map(lambda name: _end(process(folder, name), within), names))
    return [name for name, did in zip(names, ran, strict=True) if did]


_LOCK: Final = ".lock"


@contextlib.contextmanager
def alone(folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """One start or end at a time in `folder`, over all processes."""
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting: another process starts or stops the stack")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end(process: Process, within: float) -> bool:
    ran = process.alive()
    # PostgreSQL waits for its clients on SIGTERM; of the others none knows a better one.
    process.end(within, signal.SIGINT if process.name == "postgres" else signal.SIGTERM)
    return ran
