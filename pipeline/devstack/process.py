"""A server process: in a session of its own, found again by its identity file, never mistaken for another."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.devstack import launch


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process: its id alone may since have been given to another."""

    pid: int
    started: str

    @classmethod
    def read(cls, file: Path) -> Identity | None:
        """Who wrote `file`; None when there is none, or it cannot be read."""
        try:
            pid, _, started = file.read_text(encoding="utf-8").strip().partition(" ")
            return cls(int(pid), started)
        except (OSError, ValueError):
            return None

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return launch.started(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to it and its own children; none when it is gone."""
        if self.alive():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def gone(self, within: float) -> bool:
        """Waits up to `within` seconds for it to end."""
        try:
            handle = os.pidfd_open(self.pid)
        except AttributeError:
            return self._watched(within)
        except OSError:
            return not self.alive()
        try:
            if not self.alive():
                return True
            return bool(select.select([handle], [], [], within)[0])
        finally:
            os.close(handle)

    def end(self, within: float = 10.0, first: signal.Signals = signal.SIGTERM) -> None:
        """Asks it to end, and ends it when it has not within `within` seconds."""
        self.send(first)
        self.send(signal.SIGCONT)
        if not self.gone(within):
            self.send(signal.SIGKILL)
            self.gone(10.0)

    def _watched(self, within: float) -> bool:
        """Without process handles (macOS) one has to look."""
        deadline = time.monotonic() + within
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.alive()


class Process:
    """One server's process, from this or an earlier run. `run` holds its identity file and its log."""

    def __init__(self, name: str, run: Path) -> None:
        self.name = name
        self.log = run / f"{name}.log"
        self._file = run / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None
        self._reaped = threading.Lock()

    @property
    def identity(self) -> Identity | None:
        """Who it is; None before the first start and after an end."""
        return Identity.read(self._file)

    def since(self) -> datetime:
        """When it was started, in UTC. Raises OSError when it was not."""
        return datetime.fromtimestamp(self._file.stat().st_mtime, UTC)

    def start(
        self, program: Sequence[str], environment: Mapping[str, str] | None = None, user: int | None = None
    ) -> None:
        """Starts `program` (what ran before under this name is ended). `environment` and `user` None: our own."""
        self.end(0.0)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    *[sys.executable, "-I", "-S", launch.__file__, str(self._file)],
                    *["" if user is None else str(user), *program],
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=None if environment is None else dict(environment),
            )

    def alive(self) -> bool:
        """Whether it runs. A child that ended is reaped here."""
        if self._child is not None:
            with self._reaped:
                return self._child.poll() is None
        identity = self.identity
        return identity is not None and identity.alive()

    def ended(self, within: float) -> bool:
        """Waits up to `within` seconds for it to end by itself."""
        if self._child is not None:
            with self._reaped, contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(within)
                return True
            return False
        identity = self.identity
        return identity is None or identity.gone(within)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing when it does not run."""
        if identity := self.identity:
            identity.send(number)

    def end(self, within: float = 10.0, first: signal.Signals = signal.SIGTERM) -> None:
        """Asks it to end with signal `first`, and ends it when it has not within `within` seconds."""
        if self._child is not None and self.identity is None:
            # The launcher itself has not come to write who it is.
            self._child.kill()
        if identity := self.identity:
            identity.end(within, first)
        if self._child is not None:
            with self._reaped:
                self._child.wait()
            self._child = None
        self._file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        self.end(0.0, signal.SIGKILL)

    def last_words(self) -> str:
        """The last line of its log that tells something."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        telling = [line.strip() for line in lines[-200:] if line.strip() and not line.lstrip().startswith("at ")]
        errors = [line for line in telling if "ERROR" in line or "FATAL" in line or "Error" in line]
        return (errors or telling or [""])[-1][:300]
