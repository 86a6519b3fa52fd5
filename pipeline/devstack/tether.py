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
    """Held by the owner of a stack; when it is cut, or the owner dies, the stack ends.

    Its folder is deleted then, or kept for the next start when `wipe` is false.
    """

    def __init__(self, folder: Path, *, wipe: bool = True) -> None:
        self._watch = subprocess.Popen(
            [sys.executable, "-m", "pipeline.devstack.tether", str(folder), *(["wipe"] if wipe else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def cut(self) -> None:
        """Ends the stack; returns when that is done."""
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()

    def release(self) -> None:
        """Cuts without waiting."""
        assert self._watch.stdin is not None
        self._watch.stdin.close()


def main() -> None:
    """`python -m pipeline.devstack.tether FOLDER [wipe]`: waits until standard input ends."""
    folder, wipe = Path(sys.argv[1]), "wipe" in sys.argv[2:]
    sys.stdin.buffer.read()
    down(folder, wipe=wipe)
    if wipe:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
