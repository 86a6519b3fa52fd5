"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from pipeline.errors import UnavailableError

RANGE = range(20_000, 32_000)
"""Below the range that systems give to outgoing connections (from 32,768 on Linux, 49,152 elsewhere): while a server
is down nobody's connection can take its port by chance, so it comes back on the same one."""


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
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
