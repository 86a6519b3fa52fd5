"""Answers of questions that are nearly the same: off by default, and guarded, because near is not the same.

Similarity alone is no key: "cancel my order" is nearer to "do not cancel my order" than to most of its paraphrases. So
two texts must agree wholly in what changes an answer most: numbers, names and placeholders, negations. Only then their
likeness counts, the cosine of their character n-grams; no model is asked for it and nothing leaves the process.
benchmarks/similar.py measures how often a hit is wrong all the same.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_PLACEHOLDER = re.compile(r"\[[A-Za-z_]+\d*\]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_STARTS = re.compile(r"(?:^|[.!?:;\n]\s*|[\"'(]\s*)$")
_NEGATIONS = frozenset(
    word
    for words in (
        "no not never none nobody nothing nowhere neither nor without cannot stop stopped unable fail fails failed",
        "nicht kein keine keinen keiner keinem nie niemals nichts niemand ohne weder",
        "ne pas jamais rien sans aucun aucune non mai senza niente nessuno nunca sin nada nadie ningún ninguna",
        "niet geen nooit zonder bez não sem",
    )
    for word in words.split()
)
_GRAMS = (3, 4, 5)
_BUCKETS = 1 << 20


@dataclass(frozen=True, slots=True)
class SimilarPolicy:
    """`least`: the cosine from which a question counts as asked before, from 0 to 1."""

    least: float = 0.95
    max_entries: int = 5000
    most_compared: int = 200
    """Of the texts with equal guards, so many of the latest are compared: a bound on time."""


Vector = Mapping[int, float]
Guards = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    vector: Vector


class SimilarQuestions:
    """Texts answered before, and the exact keys of their answers."""

    def __init__(self, policy: SimilarPolicy) -> None:
        self._policy = policy
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._by_guards: dict[bytes, list[_Entry]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, scope: bytes, text: str) -> str:
        """The key of the likest question of this scope whose guards are equal; empty when none is like enough."""
        wanted, best, found = vector(text), self._policy.least, ""
        for entry in self._by_guards.get(_bucket(scope, text), ()):
            likeness = cosine(wanted, entry.vector)
            if likeness >= best:
                best, found = likeness, entry.key
        return found

    def add(self, scope: bytes, text: str, key: str) -> None:
        """An answer to `text` is kept under `key`."""
        if key in self._entries:
            return
        bucket = _bucket(scope, text)
        entries = self._by_guards.setdefault(bucket, [])
        entries.append(_Entry(key, vector(text)))
        self._entries[key] = bucket
        if len(entries) > self._policy.most_compared:
            del self._entries[entries.pop(0).key]
        if len(self._entries) > self._policy.max_entries:
            self._forget(*self._entries.popitem(last=False))

    def _forget(self, key: str, bucket: bytes) -> None:
        entries = [entry for entry in self._by_guards[bucket] if entry.key != key]
        if entries:
            self._by_guards[bucket] = entries
        else:
            del self._by_guards[bucket]


def guards(text: str) -> Guards:
    """What must be equal, each kind sorted: numbers; placeholders and names; negations."""
    names = list(_PLACEHOLDER.findall(text))
    plain = _PLACEHOLDER.sub(" ", text)
    negations = []
    for match in _WORD.finditer(plain):
        word = match[0].replace("’", "'")
        lower = word.lower()
        if lower in _NEGATIONS or lower.endswith("n't"):
            negations.append("not" if lower.endswith("n't") else lower)
        elif word[0].isupper() and len(word) > 1 and not _STARTS.search(plain[: match.start()]):
            names.append(lower)
    return tuple(sorted(_NUMBER.findall(plain))), tuple(sorted(names)), tuple(sorted(negations))


def vector(text: str) -> Vector:
    """Character n-grams of the words, weighed by 1 + log of their count; length 1."""
    squeezed = f" {' '.join(_WORD.findall(text.lower()))} "
    counted = Counter(
        zlib.crc32(squeezed[at : at + size].encode("utf-8", "surrogatepass")) % _BUCKETS
        for size in _GRAMS
        for at in range(len(squeezed) - size + 1)
    )
    values = {gram: 1 + math.log(count) for gram, count in counted.items()}
    length = math.sqrt(sum(value * value for value in values.values())) or 1.0
    return {gram: value / length for gram, value in values.items()}


def cosine(one: Vector, other: Vector) -> float:
    """From 0 to 1."""
    if len(one) > len(other):
        one, other = other, one
    return sum(value * other.get(gram, 0.0) for gram, value in one.items())


def _bucket(scope: bytes, text: str) -> bytes:
    digest = hashlib.blake2b(scope, digest_size=16)
    digest.update(repr(guards(text)).encode("utf-8", "surrogatepass"))
    return digest.digest()
