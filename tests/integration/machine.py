"""A machine as a person has it after the installation: nothing runs, nothing is set, only the downloads are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.settings import CACHE_FOLDER

PROGRAMS = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Machine:
    """Runs commands with a cache folder of its own: an embedded stack started by them is found by them only."""

    cache: Path

    @property
    def environment(self) -> Mapping[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_")}
        return own | {"PIPELINE_CACHE": str(self.cache), "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}

    def start(self, *command: str, folder: Path = REPOSITORY, **environment: str) -> subprocess.Popen[str]:
        """A command in the background."""
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *command: str, timeout: float = 120, folder: Path = REPOSITORY, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end, whatever that is."""
        running = self.start(*command, folder=folder, **environment)
        try:
            out, err = running.communicate(timeout=timeout)
        except BaseException:
            running.kill()
            raise
        return subprocess.CompletedProcess(command, running.returncode, out, err)

    def servers(self) -> list[str]:
        """Command lines of what runs of its embedded stack."""
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if str(self.cache) in line and not re.search(r"pipeline\.devstack\.tether", line):
                found.append(line)
        return found


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """In `folder`; what runs of it at the end is ended."""
    packages = CACHE_FOLDER / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (folder / "packages").symlink_to(packages)
    made = Machine(folder)
    try:
        yield made
    finally:
        made.run("pipeline", "dev", "down", "--wipe")
