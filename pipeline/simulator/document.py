"""What the simulator reads of a prompt: the one text it is about, and the labels it explains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

_TAG = re.compile(r"</?[A-Za-z][\w.:-]*(?:[ ][^<>\n]{0,80})?>")
_RULE = frozenset("-=~#*_`<>[]|+")
_LONGEST_RULE = 100
_WORD = re.compile(r"[A-Za-z0-9]{3,}")
_LABEL = re.compile(r"^[ \t]*[-*][ \t]+[`\"']?([A-Za-z0-9][\w ./&-]{0,60}?)[`\"']?[ \t]*:[ \t]+(\S.*)$", re.MULTILINE)


def document(messages: Iterable[str]) -> str:
    """The text between delimiters in the user's messages, whatever the delimiters are.

    Delimiters are tags, and lines that begin or end with three signs such as rules are drawn with. It takes the longest
    text between two that share a word (a random code, a tag's name) with none of that word between; then the longest
    between any two; without delimiters, the message.
    """
    message = max(messages, key=len, default="")
    marks = sorted(_marks(message))
    opened: dict[str, int] = {}
    paired = []
    for begins, ends in marks:
        for word in set(_WORD.findall(message, begins, ends)):
            if (opening := opened.get(word)) is not None:
                paired.append((begins - opening, opening, begins))
            opened[word] = ends
    if paired:
        _, begins, ends = max(paired)
        return message[begins:ends].strip()
    edges = [0, *(edge for mark in marks for edge in mark), len(message)]
    blocks = [message[begins:ends].strip() for begins, ends in zip(edges[::2], edges[1::2], strict=True)]
    return max(blocks, key=len)


@lru_cache(maxsize=64)
def label_descriptions(text: str) -> Mapping[str, str]:
    """The lines `- label: description` of a prompt's fixed part."""
    return {found[1].strip(): found[2].strip() for found in _LABEL.finditer(text)}


def _marks(message: str) -> Iterator[tuple[int, int]]:
    if "<" in message:
        yield from (found.span() for found in _TAG.finditer(message))
    begins = 0
    for line in message.split("\n"):
        stripped = line.strip() if len(line) <= _LONGEST_RULE else ""
        rule = len(stripped) >= 3 and (_RULE.issuperset(stripped[:3]) or _RULE.issuperset(stripped[-3:]))
        if rule and not _TAG.search(stripped):
            yield begins, begins + len(line)
        begins += len(line) + 1
