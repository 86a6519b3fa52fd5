"""Redaction against labelled texts, and beside Presidio: how much is found, what is masked too much, how fast.

    python -m benchmarks.redaction --data FILE [--peer-python PYTHON] [--rows N] [--out FILE]
    python -m benchmarks.redaction --long

`--data`: rows of {"id", "text", "spans": [{"start", "end", "type"}], "ignore", "tags"}, one a line, .gz too.
`--peer-python`: an interpreter with the extra [peers], often of another environment; without it Presidio is left out.
`--long` prints seconds for 1 MB of each of many kinds of text. One process, one core; prints one JSON object.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.redaction_peer import TYPES, quickest
from pipeline.errors import UsageError
from pipeline.redact import RedactionPolicy, Redactor

_NEEDED = {"ADDRESS": 0.85}
"""Share of a value's letters and digits that must be covered; all of them for the other types."""
_LONG = {
    "dots": ".",
    "digits": "7",
    "one word": "a",
    "entities": "&#38;#38;#64;",
    "emoji": "😀",
    "right to left": "שלום ",
    "lone surrogates": "\ud800",
    "a@": "a@",
    "Mr. ": "Mr. ",
    ":": ":",
    "::1": "::1",
    "base64": "QWxhZGRpbjpvcGVuIHNlc2Ft",
    "%41": "%41",
    "names": "Anna Smith, Peter Jones. ",
    "lines": "\n",
    "tabs": "\t",
    "numbers on lines": "1\n",
    "fractions": "1/",
    "addresses": "http://a:b@c ",
    "postcodes": "SW1A 1AA ",
    "capitals": "Aabcd ",
}

Row = dict[str, Any]
Span = tuple[int, int, str]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peer-python")
    parser.add_argument("--rows", type=int, help="only the first so many")
    parser.add_argument("--peer-rows", type=int, default=400, help="rows that Presidio is timed and scored on")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--out", type=Path, help="write the JSON there too")
    chosen = parser.parse_args()
    if chosen.long:
        found: dict[str, Any] = {"seconds_for_1_MB": _long()}
    elif chosen.data is None:
        parser.error("say --data FILE, or --long")
    else:
        found = _compared(_rows(chosen.data)[: chosen.rows], chosen)
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")


def _compared(rows: Sequence[Row], chosen: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": len(rows)}
    policies = {
        "structured": RedactionPolicy(names=False),
        "default": RedactionPolicy(),
        "ner": RedactionPolicy(ner=True),
    }
    for name, policy in policies.items():
        try:
            redactor = Redactor(policy)
        except UsageError as error:
            found[name] = {"left_out": str(error)}
            continue
        found[name] = _measured(rows, lambda text, by=redactor: [(s.start, s.end, s.type.value) for s in by.find(text)])
    if chosen.peer_python:
        few = rows[: chosen.peer_rows]
        for name in ("patterns", "spacy"):
            found[f"presidio_{name}"] = _peer(few, chosen.peer_python, name)
        for name, peer in (("structured", "patterns"), ("default", "spacy"), ("ner", "spacy"), ("default", "patterns")):
            ours, theirs = (found[key].get("rows_per_s") for key in (name, f"presidio_{peer}"))
            if ours and theirs:
                found[name][f"times_presidio_{peer}"] = round(ours / theirs, 1)
    return found


def _measured(rows: Sequence[Row], find: Callable[[str], list[Span]]) -> dict[str, Any]:
    for row in rows[:20]:
        find(row["text"])
    predicted, seconds = quickest(find, [row["text"] for row in rows])
    return {"rows_per_s": round(len(rows) / seconds, 1)} | score(rows, predicted)


def _peer(rows: Sequence[Row], python: str, mode: str) -> dict[str, Any]:
    """The same rows through Presidio, in the other interpreter."""
    done = subprocess.run(
        [python, str(Path(__file__).with_name("redaction_peer.py")), mode],
        input=json.dumps([row["text"] for row in rows]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"left_out": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it ended with an error"}
    answer = json.loads(done.stdout)
    spans = [[(start, end, TYPES.get(kind, kind)) for start, end, kind in one] for one in answer["spans"]]
    return {"rows": len(rows), "rows_per_s": round(len(rows) / answer["seconds"], 1)} | score(rows, spans)


def score(rows: Sequence[Row], predicted: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """Recall by type whatever type was given, precision, and the share of other letters and digits masked.

    Rows with a tag that begins with `adv:` or `hard:` are counted apart.
    """
    found, total = Counter[str](), Counter[str]()
    slices: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    right = wrong = other = over = 0
    for row, spans in zip(rows, predicted, strict=True):
        text = row["text"]
        masked, truth = bytearray(len(text)), bytearray(len(text))
        for start, end, _ in spans:
            masked[start:end] = b"\1" * (end - start)
        for mark, those in ((1, row["spans"]), (2, row.get("ignore", []))):
            for span in those:
                truth[span["start"] : span["end"]] = bytes([mark]) * (span["end"] - span["start"])
        letters = [place for place, char in enumerate(text) if char.isalnum()]
        special = next((tag for tag in row["tags"] if tag.startswith(("adv:", "hard:"))), None)
        for span in row["spans"]:
            inside = [place for place in letters if span["start"] <= place < span["end"]]
            covered = sum(masked[place] for place in inside) >= _NEEDED.get(span["type"], 1.0) * len(inside)
            if special is None:
                total[span["type"]] += 1
                found[span["type"]] += covered
            elif span.get("obf") or special.startswith("hard:"):
                slices[special][0] += covered
                slices[special][1] += 1
        if special is not None:
            continue
        for start, end, _ in spans:
            marks = [truth[place] for place in letters if start <= place < end]
            if marks and (1 in marks or 2 not in marks):
                good = marks.count(1) >= len(marks) / 2
                right, wrong = right + good, wrong + (not good)
        other += sum(truth[place] == 0 for place in letters)
        over += sum(truth[place] == 0 and masked[place] for place in letters)
    recall = {kind: round(found[kind] / total[kind], 4) for kind in sorted(total)}
    return {
        "macro_recall": _mean(list(recall.values())),
        "macro_recall_but_person": _mean([value for kind, value in recall.items() if kind != "PERSON"]),
        "person_recall": recall.get("PERSON"),
        "precision": round(right / max(1, right + wrong), 4),
        "over_masking": round(over / max(1, other), 4),
        "recall": recall,
        "slices": {kind: round(covered / count, 4) for kind, (covered, count) in sorted(slices.items())},
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _long() -> dict[str, float]:
    redactor, found = Redactor(), {}
    for name, piece in _LONG.items():
        text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
        began = time.process_time()
        redactor.redact({"text": text})
        found[name] = round(time.process_time() - began, 2)
        print(f"{name}: {found[name]} s", file=sys.stderr)
    return found


def _rows(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
