"""What may not be read on its way is sealed: AES-256-GCM, keys by name, old keys still open.

Sealed bytes: version (1 byte, 0x01), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext and tag.
Version, key id and the caller's associated data are authenticated: sealed bytes open only where they belong.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.errors import RedactionError, UsageError

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
"""GCM's own size; a random one is safe for 2^32 seals under one key (NIST SP 800-38D, 8.3)."""
_KEY_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class Keyring:
    """AES-256 keys by name. The first one seals, all of them open: rotate by putting a new one first."""

    __slots__ = ("_digest_key", "_first", "_keys")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys`: id to 32 bytes, in order. Raises UsageError when one is no such thing; no key is quoted."""
        if not keys:
            raise UsageError("the vault has no key; make one with: openssl rand -base64 32")
        for name, key in keys.items():
            if not _ID.match(name):
                raise UsageError("a vault key's id must be 1 to 64 letters, digits, dots, dashes or underscores")
            if len(key) != _KEY_BYTES:
                raise UsageError(f"vault key {name} must be {_KEY_BYTES} bytes long, not {len(key)}")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._first = next(iter(keys))
        self._digest_key = hmac.digest(keys[self._first], b"digest of originals", "sha256")

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """The keyring written `id:base64,id2:base64`. Raises UsageError when it is not; no key is quoted."""
        keys: dict[str, bytes] = {}
        for place, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            name, colon, encoded = part.partition(":")
            if not colon:
                raise UsageError(f"vault key {place} must be written id:base64")
            if name in keys:
                raise UsageError("two vault keys have the same id")
            try:
                keys[name] = base64.b64decode(encoded.strip(), validate=True)
            except (binascii.Error, ValueError):
                raise UsageError(f"vault key {place} is not base64 after its id") from None
        return cls(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the keys, the sealing one first."""
        return tuple(self._keys)

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """The plaintext under the first key, bound to `associated`."""
        head = _VERSION + bytes([len(self._first)]) + self._first.encode("ascii")
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._keys[self._first].encrypt(nonce, plaintext, head + associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """The plaintext. Raises RedactionError: damaged, key not on the ring, or sealed for another place."""
        size = sealed[1] if len(sealed) > 1 else 0
        head, rest = sealed[: 2 + size], sealed[2 + size :]
        if head[:1] != _VERSION or len(head) != 2 + size or len(rest) <= _NONCE_BYTES:
            raise RedactionError("sealed data is not of a known form")
        key = self._keys.get(head[2:].decode("ascii", "replace"))
        if key is None:
            raise RedactionError("sealed data names a key that is not on the ring")
        try:
            return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + associated)
        except InvalidTag:
            raise RedactionError("sealed data was changed or belongs to another record") from None

    def digest(self, plaintext: bytes) -> str:
        """HMAC-SHA-256 in hexadecimal under a key derived from the first: to compare originals, not to guess them."""
        return hmac.digest(self._digest_key, plaintext, "sha256").hex()

    def tenant_key(self, tenant: str) -> bytes:
        """A key of the tenant's own, derived from the first key: it changes when that is rotated."""
        return hmac.digest(self._digest_key, b"tenant\0" + tenant.encode("utf-8", "surrogatepass"), "sha256")

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)} keys, sealing with {self._first}>"


def associated_data(topic: str, partition: int, offset: int, event_id: str) -> bytes:
    """Where sealed bytes belong: the record's coordinates and event id, in one unambiguous form."""
    return orjson.dumps([topic, partition, offset, event_id])
