"""The worker processes of an engine: started, killed, told to stop; what CPU and memory they take."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_STOP_S = 20.0
_PAUSE_S = 1.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).parents[2]


class Crew:
    """Each member is a process in a session of its own; what it starts counts as its own."""

    def __init__(self, command: Sequence[str], tasks: Sequence[Mapping[str, object]], logs: Path) -> None:
        self._command, self._tasks, self._logs = command, tasks, logs
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._again: dict[int, float] = {}
        """When who ended is started again."""
        self._cpu: dict[int, float] = {}
        """By process id, the dead ones' last."""
        self.peak_mb = 0.0
        self.kills = 0
        self.ended: list[str] = []
        """What ended though nobody told it to; it is started again, as a supervisor would."""

    def start(self) -> None:
        """All of them."""
        for number in range(len(self._tasks)):
            self._start(number)

    def kill(self, number: int) -> None:
        """SIGKILL, and another in its place."""
        self.kills += 1
        if process := self._running.pop(number, None):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._again.pop(number, None)
        self._start(number)

    def stop(self) -> None:
        """SIGTERM; SIGKILL for what does not listen."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()

    def look(self) -> float:
        """CPU seconds of all so far; the peak of their memory is kept, who ended is started again after a second."""
        now = time.monotonic()
        for number, process in list(self._running.items()):
            if (code := process.poll()) is not None:
                self.ended.append(f"worker {number} ended with {code}: {self._last_words(number)}")
                del self._running[number]
                self._again[number] = now + _PAUSE_S
        for number in [number for number, due in self._again.items() if due <= now]:
            del self._again[number]
            self._start(number)
        leaders = {process.pid for process in self._running.values()}
        resident = 0.0
        for pid, session, cpu, rss in _processes():
            if session in leaders:
                self._cpu[pid] = cpu
                resident += rss
        self.peak_mb = max(self.peak_mb, resident)
        return sum(self._cpu.values())

    def _start(self, number: int) -> None:
        task = json.dumps(self._tasks[number])
        path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        with (self._logs / f"{number}.log").open("ab") as log:
            self._running[number] = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._logs,
                start_new_session=True,
                preexec_fn=die_with_parent,
                env={**os.environ, "ENGINE_TASK": task, "PYTHONPATH": path, **_flat(self._tasks[number])},
            )

    def _last_words(self, number: int) -> str:
        lines = (self._logs / f"{number}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def die_with_parent() -> None:
    """In a child before it runs its program: it is killed when the comparison ends, however that ends (Linux)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _flat(task: Mapping[str, object]) -> Mapping[str, str]:
    """For engines that are configured by files in which environment variables are filled in."""
    return {f"ENGINE_{name.upper()}": str(value) for name, value in task.items()}


def _processes() -> Iterator[tuple[int, int, float, float]]:
    """Id, session, CPU seconds and resident megabytes of each process."""
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield (
                int(path.name),
                int(fields[3]),
                (int(fields[11]) + int(fields[12])) * _TICK_S,
                int(fields[21]) * _PAGE_MB,
            )


@contextmanager
def crew(command: Sequence[str], tasks: Sequence[Mapping[str, object]], logs: Path) -> Iterator[Crew]:
    """Started; ends with no process left."""
    logs.mkdir(parents=True, exist_ok=True)
    found = Crew(command, tasks, logs)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def idle_s() -> tuple[float, float]:
    """CPU seconds that this machine was idle, and all of them, since it started."""
    numbers = [int(one) * _TICK_S for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)
