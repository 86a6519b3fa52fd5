"""Ends a stack when its owner ends, however it ends: a process of its own that waits for the owner's pipe to close.

A signal at the parent's death (PR_SET_PDEATHSIG) would come when the starting *thread* ends, and on Linux alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.devstack.state import down


class Tether:
    """Held by the owner of a stack; when it is cut, or the owner dies, the stack ends and its folder is deleted."""

    def __init__(self, folder: Path) -> None:
        self._watch = subprocess.Popen(
            [sys.executable, "-m", "pipeline.devstack.tether", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def cut(self) -> None:
        """Ends the stack and deletes its folder; returns when that is done."""
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()

    def release(self) -> None:
        """Cuts without waiting."""
        assert self._watch.stdin is not None
        self._watch.stdin.close()


def main() -> None:
    """`python -m pipeline.devstack.tether FOLDER`: waits until standard input ends."""
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    down(folder, wipe=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
