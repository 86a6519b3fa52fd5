"""TCP ports on the loopback address, kept from one start to the next."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UnavailableError

RANGE = range(20_000, 32_000)
"""Below the range that systems give to outgoing connections (from 32,768 on Linux, 49,152 elsewhere): while a server
is down nobody's connection can take its port by chance, so it comes back on the same one."""


class Ports:
    """Which server listens where, in a file beside the data: a restarted stack is found where it was."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._kept: dict[str, list[int]] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._kept = {}

    def of(self, name: str, count: int, *, running: bool) -> list[int]:
        """The ports of server `name`: those of last time while it runs or nobody else took them, otherwise new ones."""
        kept = self._kept.get(name, [])
        if len(kept) == count and (running or all(is_free(port) for port in kept)):
            return kept
        others = (port for other, ports in self._kept.items() if other != name for port in ports)
        self._kept[name] = free(count, others)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._kept), encoding="utf-8")
        return self._kept[name]


def free(count: int, taken: Iterable[int] = ()) -> list[int]:
    """`count` ports nobody listens on, none of `taken`. Raises UnavailableError when there are none."""
    found: list[int] = []
    refused = set(taken)
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        if len(found) == count:
            break
        if port not in refused and is_free(port):
            found.append(port)
    if len(found) < count:
        raise UnavailableError(f"no free port on 127.0.0.1 between {RANGE.start} and {RANGE.stop}")
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        # As servers do, or the closed connections of the last run would still count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
