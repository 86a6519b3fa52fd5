"""Faults of the simulated providers, switched on and off."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipeline.settings import Settings


@contextmanager
def fault(settings: Settings, name: str) -> Iterator[None]:
    """All answers of both providers have it."""
    address = settings.providers["openai"].base_url.removesuffix("/openai/v1") + "/control"

    def change(faults: Mapping[str, float] | None) -> None:
        body = json.dumps({wire: {"faults": faults} for wire in ("openai", "anthropic")}).encode()
        urllib.request.urlopen(urllib.request.Request(address, body), timeout=10).close()

    change({name: 1.0})
    try:
        yield
    finally:
        change(None)
