"""The console as a server: its port, its door, and its end."""

from __future__ import annotations

import getpass
import ipaddress
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from pipeline.catalogue import Catalogue
from pipeline.console import workers
from pipeline.console.access import Access, Pass, passed
from pipeline.console.app import Console
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.desk import Desk
from pipeline.errors import UsageError
from pipeline.settings import CACHE_FOLDER, Settings
from pipeline.stream.admin import Admin

_TOKEN_FILE: Final = "console.token"
_PATIENCE_S: Final = 3.0
"""For Kafka to say that it is there."""
_GRACE_S: Final = 2
"""For pages that are being sent when the end comes; live ones never end by themselves."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the console is. `token_file` holds the token of this machine's `user`; empty where tokens are set."""

    url: str
    token_file: str = ""
    user: str = ""


def serve(settings: Settings, catalogue: Catalogue, told: Callable[[Opening], None], seconds: float | None) -> None:
    """Serves until SIGINT or SIGTERM, or for so many seconds; `told` is called when it can be reached.

    Raises UsageError when nobody could sign in, or the address cannot be listened at.
    """
    access = Access.of(settings.console)
    if not access.anybody and not _of_this_machine(settings.console.host):
        raise UsageError(
            f"nobody could sign in at {settings.console.host}: set PIPELINE_CONSOLE__TOKENS_FILE, "
            "or console.user_header for a proxy that signs people in"
        )
    file = "" if access.anybody else str(CACHE_FOLDER / _TOKEN_FILE)
    workers.addresses(settings)
    with _listening(settings.console.host, settings.console.port) as listener:
        if file:
            access = Access([_own_pass(settings, Path(file))])
        knocking = _Knocking(settings)
        console = Console(settings, catalogue, access, lambda: Desk.open(settings, catalogue), knocking)
        config = uvicorn.Config(
            console.application(),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Proxies are believed by the console's own rule, and nothing else of theirs.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_S,
            ws="none",
        )
        told(Opening(_url(listener), file, getpass.getuser() if file else ""))
        _run(uvicorn.Server(config), listener, seconds)


class _Knocking:
    """Asks Kafka for nothing, to know soon whether it is there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: Admin | None = None

    def __call__(self) -> None:
        """Raises UnavailableError when it is not, UsageError when no cluster is named."""
        self._admin = self._admin or Admin(self._settings.kafka.client(), _PATIENCE_S)
        self._admin.cluster_id()


def _run(server: uvicorn.Server, listener: socket.socket, seconds: float | None) -> None:
    # The server ends by a signal, and raises it again afterwards: it is done with then.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}

    def end() -> None:
        server.should_exit = True

    timer = threading.Timer(seconds, end) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        server.run([listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if timer is not None:
            timer.cancel()


def _own_pass(settings: Settings, file: Path) -> Pass:
    """For this machine's user: a token of this start, in a file that only they can read."""
    token = secrets.token_urlsafe(32)
    actor = Actor(
        f"{getpass.getuser()}@{socket.gethostname()}", frozenset(Role(role) for role in settings.dead_letters.roles)
    )
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(token + "\n")
        draft.rename(file)
    except OSError as error:
        raise UsageError(f"the sign-in token cannot be kept at {file} ({error.strerror})") from None
    return passed(actor, token)


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no such address"
        raise UsageError(
            f"{host} port {port} cannot be listened at ({why}): set console.host or console.port"
        ) from None


def _of_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
