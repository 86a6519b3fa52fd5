"""Training: TF-IDF and logistic regression (scikit-learn), the confidence calibrated on folds the model did not see."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.errors import UsageError
from pipeline.llm.classifier.evaluation import Evaluation, evaluate
from pipeline.llm.classifier.model import Classifier, Training
from pipeline.llm.classifier.words import words

MIN_ROWS = 10
"""Rows a label needs: some in each fold, and some to measure on."""
_FOLDS = 4
_WORDS = 20_000
_MIN_RECORDS = 3
"""Records a word must stand in: what one person wrote is in no model."""
_STRENGTHS = (2.0, 10.0)
"""Inverse regularisation strengths that are tried."""


def train(
    enrichment: str,
    labels: Sequence[str],
    rows: Sequence[tuple[str, str]],
    now: datetime,
    *,
    hold_out: float = 0.2,
    seed: int = 1,
) -> tuple[Classifier, Evaluation]:
    """A classifier from (redacted text, label) rows, and how it does on the share `hold_out` that it did not see.

    `labels` is the enrichment's whole table. Raises UsageError without scikit-learn, or when there is too little to
    learn from.
    """
    check_installed()
    counted = Counter(label for _, label in rows)
    if unknown := sorted(counted.keys() - set(labels)):
        raise UsageError(f"label {unknown[0]} is not in the label table of {enrichment}")
    rare = {label: count for label, count in counted.items() if count < MIN_ROWS}
    kept = [(text, label) for text, label in rows if label not in rare]
    if len(counted) - len(rare) < 2:
        raise UsageError(
            f"too few rows: at least two labels of {enrichment} need {MIN_ROWS} each, there are {dict(counted)}"
        )
    targets = [label for _, label in kept]
    selection = importlib.import_module("sklearn.model_selection")
    learn, check = selection.train_test_split(kept, test_size=hold_out, random_state=seed, stratify=targets)
    fitted = _fit(learn, seed)
    facts = {"at": now.isoformat(timespec="seconds"), "rows": len(learn), "left_out": rare, "held_out": len(check)}
    facts["rows_by_label"] = dict(sorted(Counter(label for _, label in learn).items()))

    def made(accuracy: float, error: float) -> Classifier:
        training = Training(**facts, accuracy=round(accuracy, 4), calibration_error=round(error, 4))
        return Classifier(enrichment, labels, *fitted, training=training)

    draft = made(0.0, 0.0)
    found = evaluate((draft.classify(text), label) for text, label in check)
    return made(found.accuracy, found.calibration_error), found


def check_installed() -> None:
    """Raises UsageError without scikit-learn."""
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError("training needs scikit-learn: pip install 'enrichment-pipeline[local]'")


def _fit(rows: Sequence[tuple[str, str]], seed: int) -> tuple[list[str], list[str], list[float], list[float],
                                                              list[float], float]:  # fmt: skip
    """Classes, vocabulary, idf, weights, bias and temperature, as `Classifier` takes them."""
    np: Any = importlib.import_module("numpy")
    vectors: Any = importlib.import_module("sklearn.feature_extraction.text")
    linear: Any = importlib.import_module("sklearn.linear_model")
    selection: Any = importlib.import_module("sklearn.model_selection")
    vectorizer = vectors.TfidfVectorizer(
        analyzer=words, sublinear_tf=True, min_df=min(_MIN_RECORDS, len(rows)), max_features=_WORDS
    )
    try:
        matrix = vectorizer.fit_transform([text for text, _ in rows])
    except ValueError:
        raise UsageError("the texts have no words in common: nothing can be learnt from them") from None
    classes = sorted({label for _, label in rows})
    target = np.array([classes.index(label) for _, label in rows])
    folds = selection.StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    best: tuple[float, float, float] | None = None
    for strength in _STRENGTHS:
        scores = np.zeros((len(rows), len(classes)))
        for inside, outside in folds.split(matrix, target):
            model = linear.LogisticRegression(C=strength, max_iter=500, tol=1e-3).fit(matrix[inside], target[inside])
            scores[outside] = _wide(np, model.decision_function(matrix[outside]))
        loss, temperature = min((_loss(np, scores / t, target), float(t)) for t in np.geomspace(0.2, 5, 60))
        if best is None or loss < best[0]:
            best = (loss, strength, temperature)
    assert best is not None
    model = linear.LogisticRegression(C=best[1], max_iter=500, tol=1e-3).fit(matrix, target)
    weights = np.vstack([np.zeros_like(model.coef_[0]), model.coef_[0]]) if len(classes) == 2 else model.coef_
    bias = np.array([0.0, model.intercept_[0]]) if len(classes) == 2 else model.intercept_
    vocabulary = [str(word) for word in vectorizer.get_feature_names_out()]
    return (classes, vocabulary, vectorizer.idf_.tolist(), weights.T.ravel().tolist(), bias.tolist(), best[2])


def _wide(np: Any, scores: Any) -> Any:
    """Of two classes scikit-learn gives one column: the second's score over the first's."""
    return scores if scores.ndim == 2 else np.column_stack([np.zeros(len(scores)), scores])


def _loss(np: Any, scores: Any, target: Any) -> float:
    top = scores.max(axis=1, keepdims=True)
    logs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(target)), target].mean())
