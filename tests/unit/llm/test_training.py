"""Training from labelled texts, and what answers are worth learning from."""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline import catalogue
from pipeline.cli.fallback import command, taught
from pipeline.errors import UsageError
from pipeline.llm.classifier import Classifier
from pipeline.llm.classifier.training import train
from pipeline.settings import CatalogueSettings

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="needs the extra local")
NOW = datetime(2026, 3, 5, tzinfo=UTC)
CARDS = ["card", "payment", "declined", "terminal", "charged", "twice", "cash", "machine"]
PARCELS = ["parcel", "late", "courier", "tracking", "lost", "shipping", "box"]


def rows(count: int = 120) -> list[tuple[str, str]]:
    draw = random.Random(4)
    kinds = (("PAYMENT_PROBLEM", CARDS), ("DELIVERY", PARCELS))
    return [(" ".join(draw.choices(known, k=5)), label) for label, known in kinds for _ in range(count // 2)]


def output(**changes: object) -> dict[str, object]:
    made = {"model": "gpt-5-mini", "input_tokens": 90, "cached": False, "simulated": False, "confidence": 0.9}
    return {
        "source": {"topic": "support.tickets.v1", "partition": 3, "offset": 42},
        "enrichment": {"category": changes.pop("category", "DELIVERY")},
        "provenance": made | changes,
    }


@pytest.mark.parametrize(
    ("changes", "learnt"),
    [
        ({}, ((3, 42), "DELIVERY")),
        ({"cached": True, "input_tokens": 0}, ((3, 42), "DELIVERY")),
        ({"model": ""}, None),
        ({"model": "tickets-1", "input_tokens": 0}, None),
        ({"simulated": True}, None),
        ({"confidence": 0.69}, None),
        ({"category": "GONE"}, None),
    ],
)
def test_only_sure_answers_of_real_models_are_learnt_from(changes: dict[str, object], learnt: object) -> None:
    enrichment = catalogue.load(CatalogueSettings()).enrichment("tickets")
    assert taught(enrichment, output(**changes), 0.7, simulated=False) == learnt


# One test trains: what that needs takes seconds to import.


@needs_sklearn
def test_the_command_redacts_trains_measures_and_keeps_no_words_of_one_person(tmp_path: Path) -> None:
    file, made = tmp_path / "rows.jsonl", tmp_path / "tickets-1.json"
    taught_rows = [*rows(60), ("parcel xanthippe", "DELIVERY"), ("my money back", "REFUND")]
    lines = [{"text": f"{text}, mail jo.doe@example.com", "label": label} for text, label in taught_rows]
    file.write_text("\n".join(map(json.dumps, lines)))
    done = CliRunner().invoke(command, ["train", "tickets", str(file), "--out", str(made), "--json"])
    assert done.exit_code == 0, done.output
    training = json.loads(done.stdout)["training"]
    assert (training["rows"], training["held_out"], training["accuracy"]) == (48, 13, 1)
    assert training["left_out"] == {"REFUND": 1}
    assert "jo.doe" not in made.read_text()
    assert "xanthippe" not in made.read_text()
    learnt = Classifier.load(made)
    assert len(learnt.labels) == 16
    assert learnt.classes == ("DELIVERY", "PAYMENT_PROBLEM")
    assert learnt.classify("where is my parcel").label == "DELIVERY"
    again = CliRunner().invoke(command, ["eval", str(made), str(file)])
    assert "measured on 62 rows: " in again.stdout


@needs_sklearn
def test_too_little_to_learn_from_is_one_line() -> None:
    with pytest.raises(UsageError, match="at least two labels of tickets need 10 each"):
        train("tickets", ["DELIVERY", "REFUND"], [("parcel", "DELIVERY")] * 30, NOW)


def test_a_label_outside_the_table_is_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a", "label": "DELIVERY"}\n{"text": "b", "label": "GONE"}\n')
    done = CliRunner().invoke(command, ["train", "tickets", str(file)])
    assert "line 2: the label is not in the label table of tickets" in str(done.exception)


def test_training_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"pip install 'enrichment-pipeline\[local\]'"):
        train("tickets", ["A", "B"], [("a", "A")], NOW)
