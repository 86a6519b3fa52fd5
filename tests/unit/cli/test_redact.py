"""`pipeline redact`: what a script that pipes texts through it relies on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline.cli import main as entry

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            entry.main(("redact", *arguments))
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return called


def _file(folder: Path, text: str) -> str:
    path = folder / "in.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_lines_come_out_in_order_with_spans_in_characters_of_the_original(run: Run, tmp_path: Path) -> None:
    texts = ["Grüße 😀 an jo@example.com.", "nothing here", "Call +44 20 7946 0958"]
    lines = "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts))
    code, out, _ = run(_file(tmp_path, lines))
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["id"] for row in rows]) == (0, [0, 1, 2])
    (span,) = rows[0]["spans"]
    assert texts[0][span["start"] : span["end"]] == "jo@example.com"
    assert (span["type"], span["placeholder"]) == ("EMAIL", "[EMAIL_1]")
    assert rows[0]["text"] == "Grüße 😀 an [EMAIL_1]."
    assert rows[1] == {"id": 1, "text": "nothing here", "spans": []}


@pytest.mark.parametrize("row_id", [7, "a", None, 1.5, True])
def test_an_id_is_handed_back_as_it_came(row_id: object, run: Run, tmp_path: Path) -> None:
    _, out, _ = run(_file(tmp_path, json.dumps({"id": row_id, "text": "x"})))
    assert json.loads(out)["id"] == row_id


def test_standard_input_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1, "text": "jo@example.com"}\n')))
    code, out, _ = run("-")
    assert (code, json.loads(out)["text"]) == (0, "[EMAIL_1]")


def test_plain_text_stays_text(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("--plain", _file(tmp_path, "Dear team,\nmail jo@example.com\n"))
    assert (code, out) == (0, "Dear team,\nmail [EMAIL_1]\n")


def test_bytes_that_are_no_text_pass_through(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xff mail jo@example.com")
    with pytest.raises(SystemExit):
        entry.main(("redact", "--plain", str(tmp_path / "in.txt")))
    assert capfdbinary.readouterr().out == b"\xff mail [EMAIL_1]\n"


def test_structured_leaves_names(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("--plain", "--structured", _file(tmp_path, "My name is Joanna Doe, jo@example.com"))
    assert out == "My name is Joanna Doe, [EMAIL_1]\n"


@pytest.mark.parametrize("bad", ["{", "[1]", '{"id": 1}', '{"id": 1, "text": 5}', '"jo@example.com"'])
def test_a_bad_line_is_named_and_not_quoted(bad: str, run: Run, tmp_path: Path) -> None:
    code, out, err = run(_file(tmp_path, '{"id": 1, "text": "x"}\n\n' + bad + "\n"))
    assert code == 2
    assert "line 3" in err
    assert len(err.strip().splitlines()) == 1
    assert "jo@example.com" not in err
    assert len(out.splitlines()) == 1


def test_a_missing_file_is_one_clear_line(run: Run) -> None:
    code, _, err = run("nowhere.jsonl")
    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "nowhere.jsonl" in err


def test_without_the_extra_the_model_is_asked_for_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    code, _, err = run("--ner", _file(tmp_path, ""))
    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert "[ner]" in err
