"""Worker slots: a transactional id that is stable over restarts and never used by two live workers."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from pathlib import Path
from types import TracebackType

from pipeline.errors import UsageError


class WorkerSlot:
    """One place among the workers of a group, held by a file lock: free again however its holder ended.

    A process that is only frozen keeps its slot. Use it as a context manager, or call `release`.
    """

    def __init__(self, transactional_id: str, descriptor: int) -> None:
        self.transactional_id = transactional_id
        self._descriptor = descriptor

    @classmethod
    def claim(cls, folder: Path, group: str, name: str = "", host: str | None = None) -> WorkerSlot:
        """The slot `name`; without a name the lowest free number on this host.

        A name has to be unique among all hosts (a pod's, say); a number is completed by `host`. Raises UsageError when
        the named slot is taken, or the folder cannot be written.
        """
        room = folder / _file_name(group)
        try:
            room.mkdir(parents=True, exist_ok=True)
            if name:
                descriptor = _lock(room / f"{_file_name(name)}.named")
                if descriptor is None:
                    raise UsageError(f"worker slot {name} of {group} is in use by another worker on this host")
                return cls(f"{group}.{name}", descriptor)
            number = 0
            while (descriptor := _lock(room / str(number))) is None:
                number += 1
        except OSError as error:
            raise UsageError(f"worker slots cannot be kept in {room}: {error.strerror}") from None
        return cls(f"{group}.{host or socket.gethostname()}.{number}", descriptor)

    def release(self) -> None:
        """Frees the slot; more than once does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WorkerSlot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(path: Path) -> int | None:
    """The open, locked file; None when another holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _file_name(name: str) -> str:
    """`name` as a file name; two names never become one."""
    return re.sub(r"[^A-Za-z0-9._-]|^\.", lambda match: "%" + match.group().encode().hex(), name)
