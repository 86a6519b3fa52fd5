"""A language model's second opinion on names, asked only about sentences that the rules leave in doubt."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from pipeline.errors import UsageError
from pipeline.redact.names.kinds import NAME, NO_NAME, kind_of
from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_SENTENCE: Final = re.compile(r"[^.!?\n]{1,400}[.!?]*")
_CAPITAL: Final = re.compile(r"(?<![A-Za-z0-9@_./'-])[A-Z][a-z]{2,}(?![A-Za-z0-9@_])")
_PEOPLE: Final = frozenset({"PERSON", "PER"})
"""What models call people: those trained on OntoNotes, and on Wikipedia."""


class Entity(Protocol):
    """A model's find, in characters of its sentence (spaCy's Span)."""

    start_char: int
    end_char: int
    label_: str


class Document(Protocol):
    """A sentence after the model (spaCy's Doc)."""

    @property
    def ents(self) -> Iterable[Entity]:
        """What was found."""


class Tagger(Protocol):
    """A loaded pipeline (spaCy's Language)."""

    def pipe(self, texts: Iterable[str]) -> Iterable[Document]:
        """Each text's document, in order."""


def load(name: str) -> Tagger:
    """The spaCy pipeline of that name or path, with what names need. Raises UsageError when it is not installed."""
    try:
        spacy = importlib.import_module("spacy")
    except ImportError:
        raise UsageError("names by a model need the extra [ner]: pip install 'enrichment-pipeline[ner]'") from None
    try:
        tagger: Tagger = spacy.load(name, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    except OSError:
        raise UsageError(
            f"the model {name} is not installed: python -m spacy download {name}, or name a path"
        ) from None
    return tagger


def find(tagger: Tagger, shadow: str, found: Sequence[Found]) -> list[Found]:
    """People in the doubtful sentences of a shadow; `found` is what the rules found in it."""
    sentences = list(_doubtful(shadow, found))
    documents = tagger.pipe([shadow[start:end] for start, end in sentences])
    return [
        Found(start + entity.start_char, start + entity.end_char, PiiType.PERSON, Strength.GUESS)
        for (start, _), document in zip(sentences, documents, strict=True)
        for entity in document.ents
        if entity.label_ in _PEOPLE and _may_be_a_name(shadow[start + entity.start_char : start + entity.end_char])
    ]


def _doubtful(shadow: str, found: Sequence[Found]) -> Iterator[tuple[int, int]]:
    """Sentences with a capital inside that no rule took and no list explains."""
    taken = bytearray(len(shadow))
    for item in found:
        taken[item.start : item.end] = b"\1" * (item.end - item.start)
    for sentence in _SENTENCE.finditer(shadow):
        for word in _CAPITAL.finditer(shadow, *sentence.span()):
            kind = kind_of(word[0])
            inside = shadow[sentence.start() : word.start()].strip()
            if not taken[word.start()] and (kind & NAME or (inside and not kind & NO_NAME)):
                yield sentence.span()
                break


def _may_be_a_name(text: str) -> bool:
    """No digits, and not everyday words only."""
    words = text.split()
    return not any(map(str.isdigit, text)) and any(
        not kind_of(word) & NO_NAME or kind_of(word) & NAME for word in words
    )
