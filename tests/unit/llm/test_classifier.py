"""The classifier: what it says, that its file runs no code, and how a bad one is told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.errors import UsageError
from pipeline.llm.classifier import Classifier, Verdict, evaluate
from pipeline.llm.classifier.words import words
from tests.unit.llm.classifiers import TRAINING, small


def test_a_label_comes_with_its_calibrated_probability() -> None:
    verdict = small().classify("My CARD, the card!")
    assert verdict.label == "CARDS"
    assert verdict.confidence == pytest.approx(1 / (1 + math.exp(-3 / 1.5)), abs=1e-6)


@given(st.text(max_size=200))
def test_any_text_gets_a_probability(text: str) -> None:
    verdict = small().classify(text)
    assert verdict.label in ("CARDS", "LOANS")
    assert 0.5 <= verdict.confidence <= 1


def test_values_behind_placeholders_and_numbers_make_no_difference() -> None:
    assert words("[PERSON_1] paid 49") == words("[PERSON_27] paid 2300") == ["[person]", "paid", "0", "[person] paid",
                                                                            "paid 0"]  # fmt: skip


def test_a_saved_one_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tickets.json"
    small().save(path)
    again = Classifier.load(path)
    assert again.classify("a loan") == small().classify("a loan")
    assert (again.labels, again.training) == (small().labels, TRAINING)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", "AAAA"),
        ("weights", "not base64"),
        ("weights", "AADAfwAAAAAAAAAAAABAQA=="),  # holds a NaN
        ("temperature", 0),
        ("classes", []),
        ("classes", ["CARDS", "STOLEN"]),
        ("vocabulary", ["card"]),
        ("extra", 1),
    ],
)
def test_a_file_that_is_no_classifier_is_one_line(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "tickets.json"
    small().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(UsageError, match="is no classifier"):
        Classifier.load(path)


def test_a_pickle_or_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tickets.json"
    path.write_bytes(b"\x80\x04cposix\nsystem\n.")
    with pytest.raises(UsageError, match="is no classifier"):
        Classifier.load(path)
    small().save(path)
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(UsageError, match="another version"):
        Classifier.load(path)
    with pytest.raises(UsageError, match="pipeline fallback train"):
        Classifier.load(tmp_path / "missing.json")


def test_coverage_and_calibration_are_what_they_say() -> None:
    judged = [(Verdict("A", 0.95), "A")] * 19 + [(Verdict("A", 0.95), "B")] + [(Verdict("B", 0.55), "A")] * 10
    found = evaluate(judged)
    by_level = {level.confidence: level for level in found.coverage}
    assert found.accuracy == pytest.approx(19 / 30)
    assert by_level[0.9].coverage == pytest.approx(20 / 30)
    assert by_level[0.9].accuracy == pytest.approx(0.95)
    assert by_level[0.98].accuracy is None
    assert found.calibration_error == pytest.approx(10 * 0.55 / 30)
