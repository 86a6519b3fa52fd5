"""What is done with a record that is longer than a prompt may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import PromptError
from pipeline.llm.tokens import BYTES_A_TOKEN, estimate_tokens
from pipeline.redact.redacted import Redacted

_BRACKETED = re.compile(r"\[[^\[\]\n]{1,60}\]")
"""A placeholder, whatever kind: it must not be cut in two, or it can neither be restored nor recognised."""


class TooLong(StrEnum):
    """`truncate` keeps head and tail of the longest texts; `dead_letter` gives the record up."""

    TRUNCATE = "truncate"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class LengthPolicy:
    """How long a prompt may be, in estimated tokens (0: any length), all sections together."""

    input_tokens: int = 0
    too_long: TooLong = TooLong.TRUNCATE
    compress: bool = True
    """Take out first what a model need not read (compression.py)."""
    head_share: float = 0.7
    """How much of a cut text's room its beginning gets; the rest is its end: people ask at the start or at the end."""


def fit(policy: LengthPolicy, user: Mapping[str, Redacted], room_tokens: int) -> tuple[Mapping[str, Redacted], bool]:
    """The texts in `room_tokens`, and whether any was cut: the longest are cut to one length, the others kept whole.

    Raises PromptError when they do not fit and the policy says dead letter, or there is no room at all.
    """
    sizes = {name: estimate_tokens(text.text) for name, text in user.items()}
    needed = sum(sizes.values())
    if needed <= room_tokens:
        return user, False
    if policy.too_long is TooLong.DEAD_LETTER:
        raise PromptError(f"the text has about {needed} tokens, and there is room for {max(0, room_tokens)}")
    level = _level(sorted(sizes.values()), room_tokens)
    if level < 1:
        raise PromptError("the prompt leaves no room for the record: raise limits.input_tokens")
    return {name: _cut(policy, text, level) if sizes[name] > level else text for name, text in user.items()}, True


def _level(sizes: list[int], room: int) -> int:
    """The length to which the longest are cut so that all fit."""
    for index, size in enumerate(sizes):
        even = room // (len(sizes) - index)
        if size > even:
            return even
        room -= size
    return room


def _cut(policy: LengthPolicy, text: Redacted, tokens: int) -> Redacted:
    bytes_a_character = max(1.0, len(text.text.encode("utf-8", "replace")) / max(1, len(text)))
    room = max(0, int(tokens * BYTES_A_TOKEN / bytes_a_character) - MARK_CHARACTERS)
    head = _before(text.text, int(room * policy.head_share))
    tail = len(text) - _after(text.text, len(text) - (room - int(room * policy.head_share)))
    return text.shortened(head, tail)


MARK_CHARACTERS = 8


def _before(text: str, at: int) -> int:
    """`at`, or an earlier place where no placeholder is cut in two."""
    for match in _BRACKETED.finditer(text, max(0, at - 62), at + 62):
        if match.start() < at < match.end():
            return match.start()
    return at


def _after(text: str, at: int) -> int:
    for match in _BRACKETED.finditer(text, max(0, at - 62), at + 62):
        if match.start() < at < match.end():
            return match.end()
    return at
