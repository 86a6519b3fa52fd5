"""How the simulator counts tokens: one rule for usage, quota and bill, on both wires."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 4
"""OpenAI's own rule of thumb for English; exactness is not the point, that everybody can recompute it is."""


def tokens(characters: int) -> int:
    """Tokens of so many characters: `ceil(characters / 4)`.

    A prompt's characters are those of all its messages, the system's included, plus those of the JSON schema written
    without white space: vendors bill the schema too. An answer's are those of its text.
    """
    return -(-characters // CHARACTERS_PER_TOKEN)
