"""Which of several labels fits a text: by the words they share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pipeline.simulator.document import label_descriptions

_WORDS = re.compile(r"[^\W\d_]{3,}")
_ENDINGS = ("", "s", "es", "d", "ed", "ing")
_EMPTY = frozenset(
    _WORDS.findall(
        "the and for not are was with has have had from that this your their its one two how other only than more "
        "most customer customers text when where what who about wants asks question which done never been being"
    )
)
_LIKELY_WORDS: Mapping[str, str] = {
    "negative": "angry bad broken charged complaint disappointed dispute error failed fraud frustrated never nobody "
    "problem refuse ridiculous scam stolen terrible unable unacceptable unfair unhappy upset worst wrong damage",
    "positive": "amazing excellent glad good grateful great happy helpful love perfect pleased thank thanks wonderful",
    "urgent": "asap danger emergency fraud hacked immediately now police stolen threat unsafe urgent urgently",
    "critical": "danger evacuated explosion fire homeless hospital trapped uninhabitable ambulance unconscious",
    "high": "blocked charged injured injury leak locked lost stopped twice wrongly flooding hurt",
    "low": "curious feedback hours information opening praise suggestion thanks wondering",
}
"""What texts say when a label by this name fits: labels of a scale rarely explain themselves."""
_DESCRIBED, _NAMED = 60, 180
"""What a word of a label's description, and of its name, says for it. Whole numbers: their sum has no order."""
_NEUTRAL = ("other", "unknown", "none", "neutral", "normal", "medium")


@dataclass(frozen=True, slots=True)
class Chooser:
    """Labels, and how much each word of a text speaks for each."""

    labels: tuple[str, ...]
    index: Mapping[str, tuple[tuple[int, int], ...]]
    default: int | None

    def choose(self, words: frozenset[str], u: float) -> str:
        """The label that fits best; without any hint the neutral one, or the one the draw `u` falls on."""
        scores = [0] * len(self.labels)
        for word in words & self.index.keys():
            for label, weight in self.index[word]:
                scores[label] += weight
        best = max(scores, default=0)
        if best > 0:
            return self.labels[scores.index(best)]
        return self.labels[int(u * len(self.labels)) if self.default is None else self.default]


@lru_cache(maxsize=256)
def chooser(labels: tuple[str, ...], description: str, prompt: str) -> Chooser:
    """A chooser from the labels' names and what the schema's description and the prompt's label list say about them.

    In a description `URGENT: fire or flood; LOW: a question` explains two labels.
    """
    listed = label_descriptions(prompt)
    descriptions = {label: f"{listed.get(label, '')} {_explained(label, description)}" for label in labels}
    spread: dict[str, dict[int, int]] = defaultdict(dict)
    for at, label in enumerate(labels):
        for word in _forms(f"{descriptions[label]} {_likely(label)}"):
            spread[word][at] = _DESCRIBED
        for word in _forms(_spelled(label)):
            spread[word][at] = _NAMED
    # A word that stands for several labels says less about each.
    index = {
        word: tuple((label, weight // len(owners)) for label, weight in owners.items())
        for word, owners in spread.items()
    }
    neutral = next((at for name in _NEUTRAL for at, label in enumerate(labels) if name in label.lower()), None)
    return Chooser(labels, index, neutral)


def _explained(label: str, description: str) -> str:
    found = re.search(rf"(?<![\w]){re.escape(label)}\s*[:=]\s*([^;.\n]*)", description)
    return found[1] if found else ""


def _spelled(label: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).replace("_", " ")


def _likely(label: str) -> str:
    parts = label.lower().split("_")
    return " ".join(words for name, words in _LIKELY_WORDS.items() if name in parts)


def _forms(text: str) -> set[str]:
    """The words of a text that mean something, in the forms in which others may use them."""
    stems = {word for word in _WORDS.findall(text.lower()) if word not in _EMPTY}
    singular = {stem[:-1] for stem in stems if stem.endswith("s") and len(stem) > 4}
    return singular | {stem + ending for stem in stems for ending in _ENDINGS}
