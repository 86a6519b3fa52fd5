"""Becomes a server: writes down who it is, then runs the server's program in its own place.

Run by path with the standard library alone (it starts in milliseconds). Writing before running leaves no moment in
which a server lives and nobody could find it again.
"""

import os
import subprocess
import sys
from pathlib import Path


def started(pid: int) -> str | None:
    """When the process began, as an opaque text that no other process with this id shares; None when it is dead.

    A process that ended but was not reaped by its parent is dead.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _by_ps(pid)
    except ProcessLookupError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _by_ps(pid: int) -> str | None:
    """The same on systems without /proc."""
    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not shown or shown.startswith("Z") else shown.partition(" ")[2].strip()


def main() -> None:
    """`launch.py IDENTITY_FILE USER PROGRAM [ARGUMENT ...]`; USER is the id of the user to become, or empty."""
    file, user, program = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(f"{os.getpid()} {started(os.getpid())}\n", encoding="utf-8")
    draft.rename(file)
    if user:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
        os.chdir("/")
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
