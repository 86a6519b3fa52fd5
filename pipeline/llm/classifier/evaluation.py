"""How often a classifier is right, and whether it knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.llm.classifier.model import Verdict

LEVELS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
_BINS = 10


@dataclass(frozen=True, slots=True)
class Coverage:
    """With `decline_below: confidence`: the share of records that get an answer, and of those the share right."""

    confidence: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`calibration_error`: by how much confidence and accuracy differ on average (ECE, ten bins)."""

    rows: int
    accuracy: float
    calibration_error: float
    coverage: tuple[Coverage, ...]


def evaluate(judged: Iterable[tuple[Verdict, str]]) -> Evaluation:
    """Of verdicts and the labels that were right. Raises ValueError when there are none."""
    pairs = [(verdict.confidence, verdict.label == right) for verdict, right in judged]
    if not pairs:
        raise ValueError("nothing to evaluate")
    table = []
    for level in LEVELS:
        sure = [right for confidence, right in pairs if confidence >= level]
        table.append(Coverage(level, len(sure) / len(pairs), sum(sure) / len(sure) if sure else None))
    return Evaluation(len(pairs), sum(right for _, right in pairs) / len(pairs), _calibration(pairs), tuple(table))


def _calibration(pairs: Sequence[tuple[float, bool]]) -> float:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in pairs:
        bins.setdefault(min(_BINS - 1, int(confidence * _BINS)), []).append((confidence, right))
    return sum(abs(sum(c for c, _ in inside) - sum(r for _, r in inside)) for inside in bins.values()) / len(pairs)
