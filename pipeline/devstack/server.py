"""What all servers of the stack have in common: their life."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pipeline.devstack.packages import Progress
from pipeline.devstack.process import Process
from pipeline.errors import UnavailableError


class Server(ABC):
    """One server: its data and settings under `folder`, its process under `run`, its life in our hands.

    `prepare` once, then `start`, `stop`, `kill`, `freeze` and `thaw` as wished: port and data stay.
    """

    title: ClassVar[str]
    patience: ClassVar[float] = 60.0
    """Seconds it may take to become ready: many times what was measured, for machines with other work."""
    grace: ClassVar[float] = 10.0
    """Seconds it may take to end by itself."""
    farewell: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, name: str, folder: Path, run: Path, port: int) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self.process = Process(name, run)

    def servers(self) -> Sequence[Server]:
        """Itself: a cluster has several."""
        return (self,)

    def prepare(self, progress: Progress) -> None:
        """Makes its folder, gets its files, writes its configuration. Raises UnavailableError when it cannot."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Program and arguments."""

    def environment(self) -> Mapping[str, str] | None:
        """The environment it runs in; None: our own."""
        return None

    @property
    def user(self) -> int | None:
        """The id of the user it runs as; None: our own."""
        return None

    @abstractmethod
    def ready(self, within: float) -> bool:
        """Whether it serves; may wait up to `within` seconds to learn it."""

    @abstractmethod
    def settings(self) -> Mapping[str, object]:
        """What the pipeline must be told to use it: nested settings."""

    def start(self) -> None:
        """Starts it and waits until it serves. Raises UnavailableError, in one line, when it does not."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Starts it and does not wait."""
        self.process.start(self.command(), self.environment(), self.user)

    def await_ready(self) -> None:
        """Waits until it serves. Raises UnavailableError, in one line, when it does not."""
        deadline = time.monotonic() + self.patience
        while not self.ready(0.25):
            if self.process.ended(0.02):
                raise UnavailableError(f"{self.title} ended while starting: {self._why()}")
            if time.monotonic() > deadline:
                raise UnavailableError(f"{self.title} was not ready after {self.patience:.0f} s: {self._why()}")

    def stop(self) -> None:
        """Ends it in its own good order; at once when that takes too long."""
        self.process.end(self.grace, self.farewell)

    def kill(self) -> None:
        """Ends it at once, as a power cut would (SIGKILL)."""
        self.process.kill()

    def freeze(self) -> None:
        """Takes it off the processor while its connections stay (SIGSTOP)."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on (SIGCONT)."""
        self.process.send(signal.SIGCONT)

    def _why(self) -> str:
        return f"{self.process.last_words() or 'it says nothing'} (log: {self.process.log})"
