"""How many tokens a text has, roughly; what a call really took comes back with its answer."""

from __future__ import annotations

BYTES_A_TOKEN = 4
"""The vendors' own rule of thumb for English; other scripts have more bytes a character and more tokens too."""


def estimate_tokens(text: str) -> int:
    """Tokens of `text`: its bytes in UTF-8, by four, rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return (size + BYTES_A_TOKEN - 1) // BYTES_A_TOKEN
