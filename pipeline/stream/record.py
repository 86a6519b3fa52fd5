"""What goes in and what comes out of the engine, and the contract of the code between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One consumed record, as the bytes were. `timestamp_ms` is Unix time in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class Output:
    """One record to produce, in the transaction that commits its input."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    origin: object = field(default=None, repr=False, compare=False)
    """The processor's own: what it wants to find again when this output is refused."""
    partition: int | None = None
    """None: where the key belongs."""


class Processor(Protocol):
    """What the engine runs for each record. All methods run on the event loop."""

    async def process(self, record: Record) -> Sequence[Output]:
        """The record's outputs (none: it is committed and nothing else). May wait as long as it must; may be cancelled.

        Called one at a time per (partition, key), for up to the set number of records at once.
        Any exception but `asyncio.CancelledError` goes to `failed`.
        """

    def failed(self, record: Record, error: Exception) -> Sequence[Output]:
        """The outputs that stand for a record whose `process` raised (a dead letter). Must not raise."""

    def refused(self, record: Record, outputs: Sequence[Output], refused: Output, reason: str) -> Sequence[Output]:
        """All outputs that stand for `record` after the broker or client refused one of `outputs`. Must not raise."""
