"""The worker processes of a campaign: started, killed, frozen, told to leave; what they committed is counted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Fleet:
    """Worker processes by slot, and how much they have committed together."""

    task: Mapping[str, object]
    folder: Path
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    committed: int = 0
    kills: int = 0
    unasked: list[str] = field(default_factory=list)
    """What ended though nobody told it to."""
    _news: threading.Condition = field(default_factory=threading.Condition)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _leaving: set[subprocess.Popen[str]] = field(default_factory=set)

    def start(self, slot: str) -> None:
        """A worker in that slot."""
        calls = self.folder / f"{slot}.calls"
        told = {**self.task, "slot": slot, "calls": str(calls), "slots": str(self.folder / "slots")}
        with (self.folder / f"{slot}.log").open("a") as log:
            process = self.running[slot] = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.engine_worker", json.dumps(told)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        threading.Thread(target=self._count, args=(process,), daemon=True).start()

    def kill(self, slot: str) -> None:
        """SIGKILL, whatever it does or is frozen in; and another in its place."""
        if process := self.running.pop(slot, None):
            self.kills += 1
            process.kill()
            process.wait()
            self.start(slot)

    def freeze(self, slot: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after that time."""
        if process := self.running.get(slot):
            process.send_signal(signal.SIGSTOP)
            self.later(seconds, lambda: process.send_signal(signal.SIGCONT))

    def leave(self, slot: str, back: float | None) -> None:
        """SIGTERM; when it has ended, and `back` seconds are over, another in its place."""
        process = self.running.pop(slot, None)
        if process is None:
            return
        self._leaving.add(process)
        process.terminate()
        if back is not None:
            self.later(back, lambda: self._replace(slot, process))

    def signal(self, slot: str, number: signal.Signals) -> None:
        """Any other signal."""
        if process := self.running.get(slot):
            process.send_signal(number)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Does it after that time, while somebody waits with `until`."""
        self._later.append((time.monotonic() + seconds, action))

    def until(self, done: Callable[[], bool], deadline: float) -> None:
        """Waits for it; meanwhile does what is due. Raises AssertionError when it takes too long."""
        while True:
            self._do_what_is_due()
            with self._news:
                if done():
                    return
                self._news.wait(0.1)
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.committed} committed, and then nothing more in time")

    def has_committed(self, records: float) -> bool:
        """Whether so many are; what a killed worker or a transaction of unknown end committed last is not counted."""
        return self.committed >= records

    def stop(self) -> list[int]:
        """All are told to leave; their exit codes."""
        self.until(lambda: not self._later, time.monotonic() + 60)
        processes = [*self.running.values(), *self._leaving]
        for process in processes:
            process.terminate()
        return [process.wait(40) for process in processes]

    def end(self) -> None:
        """Nothing of it is left, whatever happened."""
        for process in [*self.running.values(), *self._leaving]:
            process.kill()
            process.wait()

    def _replace(self, slot: str, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            self.later(0.2, lambda: self._replace(slot, process))
        elif slot not in self.running:
            self.start(slot)

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        due = [one for one in self._later if one[0] <= now]
        self._later = [one for one in self._later if one[0] > now]
        for _, action in due:
            action()
        for slot, process in list(self.running.items()):
            if (code := process.poll()) is not None:
                # 1: it began while no broker was there, waited, and said so; whoever runs it starts it again.
                if code != 1:
                    self.unasked.append(f"{slot} ended with {code}")
                self.start(slot)

    def _count(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self.committed += int(line)
                self._news.notify_all()


@contextmanager
def fleet(task: Mapping[str, object], folder: Path) -> Iterator[Fleet]:
    """Ends with no process left."""
    workers = Fleet(task, folder)
    # What a parent ignores its children ignore until they have a handler: none ends because it has none yet.
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        yield workers
    finally:
        workers.end()
        signal.signal(signal.SIGUSR1, before)
