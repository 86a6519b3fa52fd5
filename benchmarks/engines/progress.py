"""How far it is: one line that changes on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

_EVERY_S = 10.0


class Progress:
    """Called with what is going on now."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._live = stream, stream.isatty()
        self._told, self._width = 0.0, 0

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if self._live:
            self._stream.write(f"\r{line:<{self._width}}")
            self._width = len(line)
        elif now - self._told >= _EVERY_S:
            self._stream.write(f"{line}\n")
            self._told = now
        self._stream.flush()

    def say(self, line: str) -> None:
        """Something that stays."""
        self.end()
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def end(self) -> None:
        """Takes the changing line away."""
        if self._live and self._width:
            self._stream.write(f"\r{'':<{self._width}}\r")
            self._width = 0
