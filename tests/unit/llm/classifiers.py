"""A classifier that knows two words."""

from __future__ import annotations

from pipeline.llm.classifier import Classifier
from pipeline.llm.classifier.model import Training

TRAINING = Training(at="2026-03-05T12:00:00+00:00", rows=20, rows_by_label={}, held_out=5, accuracy=0.9,
                    calibration_error=0.02)  # fmt: skip


def small() -> Classifier:
    return Classifier(
        "tickets", ["CARDS", "LOANS", "OTHER"], ["CARDS", "LOANS"], ["card", "loan"], [1.0, 1.0],
        [3.0, 0.0, 0.0, 3.0], [0.0, 0.0], 1.5, TRAINING,
    )  # fmt: skip
