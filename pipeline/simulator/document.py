"""What the simulator reads of a prompt: the one text it is about, and the labels it explains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

_MARKER = re.compile(
    r"""
    </?[A-Za-z][\w.:-]*(?:[ ][^<>\n]{0,80})?>             # <ticket id="3f9a"> ... </ticket>, wherever it stands
    | ^[ \t]*[-=~#*_`<>\[\]|+]{3,}[^\n]{0,80}$            # ===== BEGIN 3f9a =====   ```text   <<<3f9a
    | ^[^\n]{0,80}[-=~#*_`<>|+]{3,}[ \t]*$                # BEGIN 3f9a -----
    """,
    re.VERBOSE | re.MULTILINE,
)
_WORD = re.compile(r"[A-Za-z0-9]{3,}")
_LABEL = re.compile(r"^[ \t]*[-*][ \t]+[`\"']?([A-Za-z0-9][\w ./&-]{0,60}?)[`\"']?[ \t]*:[ \t]+(\S.*)$", re.MULTILINE)

_MOST_MARKS = 100  # pairs are compared each with each; a text of nothing but rules must not cost seconds


def document(messages: Iterable[str]) -> str:
    """The text between delimiters in the user's messages, whatever the delimiters are.

    Among lines and tags that look like markers it takes the longest text between two that share a word (a nonce, a
    tag's name), words with digits before others; then the longest between any two; without markers, the message.
    """
    message = max(messages, key=len, default="")
    marks = [(found.start(), found.end(), frozenset(_WORD.findall(found[0]))) for found in _MARKER.finditer(message)]
    if len(marks) > _MOST_MARKS:
        marks = marks[: _MOST_MARKS // 2] + marks[-_MOST_MARKS // 2 :]
    paired = [
        (any(_nonce(word) for word in shared), closing[0] - opening[1], opening[1], closing[0])
        for at, opening in enumerate(marks)
        for closing in marks[at + 1 :]
        if (shared := opening[2] & closing[2])
    ]
    if paired:
        _, _, begins, ends = max(paired)
        return message[begins:ends].strip()
    edges = [0, *(edge for mark in marks for edge in mark[:2]), len(message)]
    blocks = [message[begins:ends].strip() for begins, ends in zip(edges[::2], edges[1::2], strict=True)]
    return max(blocks, key=len)


@lru_cache(maxsize=64)
def label_descriptions(text: str) -> Mapping[str, str]:
    """The lines `- label: description` of a prompt's fixed part."""
    return {found[1].strip(): found[2].strip() for found in _LABEL.finditer(text)}


def _nonce(word: str) -> bool:
    return len(word) >= 6 and any(character.isdigit() for character in word)
