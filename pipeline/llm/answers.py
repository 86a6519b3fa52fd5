"""From what a model wrote to a JSON object, and what it is told when that was not valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import orjson

from pipeline.llm.question import InvalidAnswerError

MAX_CHARACTERS = 100_000
MAX_PROBLEMS = 12

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)


def decode(text: str) -> Mapping[str, object]:
    """The one JSON object in `text`. Raises InvalidAnswerError when there is none, or more than one reading.

    Repaired are only wrappings that leave no doubt: white space, one Markdown fence, words around one object.
    """
    if not text.strip():
        raise InvalidAnswerError(["the answer is empty"])
    if len(text) > MAX_CHARACTERS:
        raise InvalidAnswerError([f"the answer is longer than {MAX_CHARACTERS} characters"])
    try:
        found = _parse(text)
    except ValueError:
        found = _unwrapped(text)
    if not isinstance(found, dict):
        raise InvalidAnswerError(["the answer is not a JSON object"])
    return found


def correction(problems: Sequence[str]) -> str:
    """What is added to the user's message after an answer that was not valid; it quotes no data."""
    listed = "\n".join(f"- {problem}" for problem in problems[:MAX_PROBLEMS])
    return (
        "\n\nAn earlier answer to this message was not valid:\n"
        f"{listed}\n"
        "Answer again, from the start, with one JSON object that keeps to the schema."
    )


def _unwrapped(text: str) -> object:
    fenced = _FENCED.findall(text)
    if len(fenced) == 1:
        candidate = fenced[0]
    elif not fenced and text.count("{") and _one_object(text):
        candidate = text[text.index("{") : text.rindex("}") + 1]
    else:
        raise InvalidAnswerError(["the answer is not valid JSON"])
    try:
        return _parse(candidate)
    except ValueError:
        raise InvalidAnswerError(["the answer is not valid JSON"]) from None


def _parse(text: str) -> object:
    """Strictly: no lone surrogates, no NaN, and no name twice in one object (the second would silently win)."""
    found: object = orjson.loads(text)
    if text.count(":") > 1:
        try:
            _TWINS.decode(text)
        except RecursionError:
            raise ValueError("too deep") from None
    return found


def _without_twins(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")


_TWINS = json.JSONDecoder(object_pairs_hook=_without_twins)


def _one_object(text: str) -> bool:
    """True when words stand around braces that close, and none of the words is JSON itself."""
    return "}" in text and text.index("{") < text.rindex("}") and "```" not in text
