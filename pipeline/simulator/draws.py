"""Chance that repeats itself: all draws of a request come from the seed, the request's text and how often it came."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import OrderedDict
from dataclasses import dataclass

_LARGEST = 2.0**64


@dataclass(frozen=True, slots=True)
class Draws:
    """The uniform numbers, 0 < u < 1, that decide about one request."""

    latency: float
    fault: float
    detail: float
    """Which variant of a fault, how deep a cut."""
    salt: int
    """32 bits from which `field` draws."""

    def field(self, name: str) -> float:
        """A number of its own for a field of the answer."""
        return (zlib.crc32(name.encode(), self.salt) + 0.5) / 2.0**32


def draw(seed: int, fingerprint: bytes, nth: int) -> Draws:
    """The draws of the `nth` request with this fingerprint."""
    digest = hashlib.blake2b(fingerprint, digest_size=32, key=struct.pack("<QQ", seed, nth)).digest()
    latency, fault, detail, salt = struct.unpack("<4Q", digest)
    return Draws(_open(latency), _open(fault), _open(detail), salt & 0xFFFFFFFF)


def fingerprint(*parts: str) -> bytes:
    """16 bytes that stand for these texts."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Occurrences:
    """Counts how often a fingerprint came. Forgets the one not seen for longest when there are too many."""

    def __init__(self, limit: int = 200_000) -> None:
        self._limit = limit
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def next(self, fingerprint: bytes) -> int:
        """0 for the first time, then 1, 2, ..."""
        nth = self._counts.pop(fingerprint, 0)
        self._counts[fingerprint] = nth + 1
        if len(self._counts) > self._limit:
            self._counts.popitem(last=False)
        return nth


def _open(number: int) -> float:
    # 53 bits, and half a step off both ends: the log-normal has no value at 0 and 1.
    return ((number >> 11) + 0.5) * 2048 / _LARGEST
