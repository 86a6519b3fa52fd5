"""Training from labelled texts, and what answers are worth learning from."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline import catalogue
from pipeline.cli.fallback import command, taught
from pipeline.errors import UsageError
from pipeline.llm.classifier import Classifier
from pipeline.settings import CatalogueSettings

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


class TestTraining:
    """Needs the extra `local`."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("sklearn")

    def test_what_is_learnt_is_measured_on_rows_held_out_and_kept_without_words_of_one_person(
        self, tmp_path: Path
    ) -> None:
        from pipeline.llm.classifier.training import train

        labels = ["PAYMENT_PROBLEM", "DELIVERY", "REFUND"]
        taught_rows = [*rows(), ("parcel xanthippe", "DELIVERY"), ("my money back", "REFUND")]
        made, measured = train("tickets", labels, taught_rows, NOW)
        assert measured.accuracy == 1
        assert made.training.left_out == {"REFUND": 1}
        assert (made.labels, made.classes) == (tuple(labels), ("DELIVERY", "PAYMENT_PROBLEM"))
        made.save(tmp_path / "c.json")
        assert "xanthippe" not in (tmp_path / "c.json").read_text()
        assert made.classify("where is my parcel").label == "DELIVERY"

    def test_too_little_to_learn_from_is_one_line(self) -> None:
        from pipeline.llm.classifier.training import train

        with pytest.raises(UsageError, match="at least two labels of tickets need 10 each"):
            train("tickets", ["DELIVERY", "REFUND"], [("parcel", "DELIVERY")] * 30, NOW)

    def test_the_command_redacts_trains_and_measures(self, tmp_path: Path) -> None:
        file, made = tmp_path / "rows.jsonl", tmp_path / "tickets-1.json"
        lines = [{"text": f"{text}, mail jo.doe@example.com", "label": label} for text, label in rows(60)]
        file.write_text("\n".join(map(json.dumps, lines)))
        done = CliRunner().invoke(command, ["train", "tickets", str(file), "--out", str(made), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["training"]["rows"] == 48
        assert "jo.doe" not in made.read_text()
        assert len(Classifier.load(made).labels) == 16
        again = CliRunner().invoke(command, ["eval", str(made), str(file)])
        assert "measured on 60 rows: 100.0% right" in again.stdout

    def test_a_label_outside_the_table_is_told_by_its_line(self, tmp_path: Path) -> None:
        file = tmp_path / "rows.jsonl"
        file.write_text('{"text": "a", "label": "DELIVERY"}\n{"text": "b", "label": "GONE"}\n')
        done = CliRunner().invoke(command, ["train", "tickets", str(file)])
        assert "line 2: the label is not in the label table of tickets" in str(done.exception)


def test_training_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from pipeline.llm.classifier.training import train

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"pip install 'enrichment-pipeline\[local\]'"):
        train("tickets", ["A", "B"], [("a", "A")], NOW)
