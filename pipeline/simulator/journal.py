"""The last requests, for tests that assert what reached the wire."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping

import orjson

_SECRET = ("authorization", "x-api-key", "cookie")


class Journal:
    """Keeps the last `limit` requests; 0, none. Keys are kept as a digest."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[dict[str, object]] = deque(maxlen=limit)

    @property
    def limit(self) -> int:
        return self._entries.maxlen or 0

    def resize(self, limit: int) -> None:
        self._entries = deque(self._entries, maxlen=limit)

    def record(self, at_s: float, wire: str, headers: Mapping[str, str], body: bytes, outcome: str) -> None:
        if self.limit:
            shown = {name.lower(): _hidden(name.lower(), value) for name, value in headers.items()}
            self._entries.append({"at_s": at_s, "wire": wire, "headers": shown, "body": body, "outcome": outcome})

    def last(self, count: int) -> list[dict[str, object]]:
        """The last `count`, oldest first, bodies decoded."""
        entries = list(self._entries)[-count:] if count > 0 else []
        return [{**entry, "body": _decoded(entry["body"])} for entry in entries]

    def clear(self) -> None:
        self._entries.clear()


def digest(key: str) -> str:
    """What stands for a key where people can see it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _hidden(name: str, value: str) -> str:
    return f"sha256:{digest(value.removeprefix('Bearer '))}" if name in _SECRET else value


def _decoded(body: object) -> object:
    try:
        return orjson.loads(body) if isinstance(body, bytes) else body
    except ValueError:
        return body.decode("utf-8", "replace") if isinstance(body, bytes) else body
