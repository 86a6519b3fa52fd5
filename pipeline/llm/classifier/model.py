"""The trained classifier: TF-IDF, a linear model, a calibrated confidence; kept as JSON, which runs no code."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import UsageError
from pipeline.llm.classifier.words import words

FORMAT = 1
_MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The likeliest label, and the calibrated probability that it is right."""

    label: str
    confidence: float


class Training(BaseModel):
    """What a model was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    """When, ISO 8601."""
    rows: int
    rows_by_label: dict[str, int]
    left_out: dict[str, int] = {}
    """Labels with too few rows to learn, and how many they had."""
    held_out: int
    accuracy: float
    """On the part held out."""
    calibration_error: float


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    enrichment: str
    labels: list[str]
    """The enrichment's whole table."""
    classes: list[str]
    """Those that were learnt, in the order of the weights."""
    training: Training
    temperature: float
    vocabulary: list[str]
    idf: str
    bias: str
    weights: str


class Classifier:
    """Made by `train` or `load`. `weights` holds, word after word, one number for each class."""

    def __init__(
        self,
        enrichment: str,
        labels: Sequence[str],
        classes: Sequence[str],
        vocabulary: Sequence[str],
        idf: Sequence[float],
        weights: Sequence[float],
        bias: Sequence[float],
        temperature: float,
        training: Training,
    ) -> None:
        """Raises ValueError when the sizes do not go together."""
        if not len(vocabulary) == len(idf) == len(weights) / len(classes) or len(bias) != len(classes):
            raise ValueError("the weights do not fit the words and labels")
        if not temperature > 0 or not all(map(math.isfinite, (temperature, *idf, *weights, *bias))):
            raise ValueError("the weights are not numbers")
        if not set(classes) <= set(labels):
            raise ValueError("a class is no label")
        self.enrichment, self.labels, self.classes = enrichment, tuple(labels), tuple(classes)
        self.training = training
        self._places = {word: place for place, word in enumerate(vocabulary)}
        self._idf, self._weights, self._bias = array("f", idf), array("f", weights), array("f", bias)
        self._temperature = temperature

    def classify(self, text: str) -> Verdict:
        """The label of a redacted text."""
        likely = self.likelihood(text)
        label = max(likely, key=likely.__getitem__)
        return Verdict(label, likely[label])

    def likelihood(self, text: str) -> Mapping[str, float]:
        """Each label that was learnt to its calibrated probability."""
        scores = self.scores(text)
        top = max(scores)
        shares = [math.exp((score - top) / self._temperature) for score in scores]
        total = sum(shares)
        return {label: share / total for label, share in zip(self.classes, shares, strict=True)}

    def scores(self, text: str) -> list[float]:
        """One number for each of `classes`; the greatest is the likeliest."""
        counted = Counter(place for word in words(text) if (place := self._places.get(word)) is not None)
        values = {place: (1 + math.log(count)) * self._idf[place] for place, count in counted.items()}
        length = math.sqrt(sum(value * value for value in values.values())) or 1.0
        wide, found = len(self.classes), list(self._bias)
        for place, value in values.items():
            share, at = value / length, place * wide
            for index, weight in enumerate(self._weights[at : at + wide]):
                found[index] += share * weight
        return found

    def save(self, path: Path) -> None:
        """Writes it; whoever reads it runs no code from it. Raises UsageError when it cannot be written."""
        kept = _File(
            format=FORMAT,
            enrichment=self.enrichment,
            labels=list(self.labels),
            classes=list(self.classes),
            training=self.training,
            temperature=self._temperature,
            vocabulary=list(self._places),
            idf=_packed(self._idf),
            bias=_packed(self._bias),
            weights=_packed(self._weights),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(orjson.dumps(kept.model_dump()) + b"\n")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror})") from None

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Raises UsageError, one line, when the file is not there or is no classifier."""
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise UsageError(f"{path} is too large to be a classifier")
            kept = _File.model_validate(orjson.loads(path.read_bytes()))
            if kept.format != FORMAT:
                raise UsageError(f"{path} was written by another version: train it again (pipeline fallback train)")
            return cls(
                kept.enrichment,
                kept.labels,
                kept.classes,
                kept.vocabulary,
                _unpacked(kept.idf),
                _unpacked(kept.weights),
                _unpacked(kept.bias),
                kept.temperature,
                kept.training,
            )
        except OSError as error:
            raise UsageError(
                f"classifier {path} cannot be read ({error.strerror}): make it by pipeline fallback train"
            ) from None
        except (ValidationError, ValueError, ZeroDivisionError):
            raise UsageError(f"{path} is no classifier: make one by pipeline fallback train") from None


def label_field(schema: Mapping[str, object], labels: Sequence[str]) -> str:
    """The property of an answer's JSON schema that takes one of these labels; empty when there is none."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, said in properties.items():
            if isinstance(said, Mapping) and isinstance(said.get("enum"), list) and set(said["enum"]) == set(labels):
                return str(name)
    return ""


def _packed(numbers: array[float]) -> str:
    little = array("f", numbers)
    if sys.byteorder == "big":
        little.byteswap()
    return base64.b64encode(little.tobytes()).decode()


def _unpacked(text: str) -> array[float]:
    found = array("f")
    found.frombytes(base64.b64decode(text, validate=True))
    if sys.byteorder == "big":
        found.byteswap()
    return found
