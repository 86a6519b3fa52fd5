"""How often an answer taken from a similar question would be wrong, on questions whose intents are known.

    python -m benchmarks.similar [--rows N] [--out FILE]

Two measurements on banking77 (77 intents) and bitext (27). Pairs: how well likeness tells paraphrases (one intent) from
near-misses (the most alike of another intent), as AUC; 0.5 is a coin. Stream: each question, in random order, takes the
answer of the likest one before it whose guards are equal; a hit of another intent is wrong. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.llm.similar import Vector, cosine, guards, vector

DATA = Path(__file__).parents[1] / "../shared/data"
SETS = (("banking77", "label"), ("bitext_support", "intent"))
LEVELS = (0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
PAIRS = 200


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.similar")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    found = {}
    for name, field in SETS:
        rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        random.Random(5).shuffle(rows)
        texts = [(str(row["text"]), str(row[field])) for row in rows[: chosen.rows]]
        found[name] = {"rows": len(texts), "auc": _auc(texts), "stream": _stream(texts)}
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")


def _auc(texts: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Chance that a random paraphrase is more alike than the nearest miss of the same question."""
    known = [(vector(text), guards(text), intent) for text, intent in texts[:1000]]
    draw = random.Random(6)
    return {"unguarded": _told_apart(known, draw, guarded=False), "guarded": _told_apart(known, draw, guarded=True)}


def _told_apart(known: Sequence[tuple[Vector, object, str]], draw: random.Random, *, guarded: bool) -> float:
    paraphrases, misses = [], []
    for one, held, intent in draw.sample(list(known), PAIRS):
        others = [(v, i) for v, g, i in known if v is not one and (g == held or not guarded)]
        same = [v for v, i in others if i == intent]
        different = [cosine(one, v) for v, i in others if i != intent]
        if same and different:
            paraphrases.append(cosine(one, draw.choice(same)))
            misses.append(max(different))
    wins = sum((p > m) + 0.5 * (p == m) for p in paraphrases for m in misses)
    return round(wins / (len(paraphrases) * len(misses)), 3) if paraphrases else 0.0


def _stream(texts: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """What `SimilarQuestions` would find, at each level: equal texts left out, for the exact cache has them."""
    seen: dict[object, list[tuple[Vector, str]]] = {}
    found: list[tuple[float, bool]] = []
    for text, intent in dict(texts).items():
        known = seen.setdefault(guards(text), [])
        wanted = vector(text)
        likest = max(((cosine(wanted, other), its) for other, its in known), default=(0.0, ""))
        found.append((likest[0], likest[1] == intent))
        known.append((wanted, intent))
    table = []
    for least in LEVELS:
        hits = [right for likeness, right in found if likeness >= least]
        wrong = round(1 - sum(hits) / len(hits), 4) if hits else None
        table.append({"least": least, "hit_share": round(len(hits) / len(found), 4), "wrong_share_of_hits": wrong})
    return table


if __name__ == "__main__":
    main()
